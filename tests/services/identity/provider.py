"""A small OpenID Connect provider over real HTTP: discovery, keys, and tokens by client credentials."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "cumulet"


class Provider:
    """`requests`: path → how often it was asked for. `extra`: claims of the tokens that its endpoint gives out."""

    def __init__(self, url: str) -> None:
        self.issuer = url
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.requests: dict[str, int] = {}
        self.extra: dict[str, Any] = {}

    def keys(self) -> dict[str, Any]:
        found = []
        for kid, algorithm, key in (("r1", RSAAlgorithm, self.rsa), ("e1", ECAlgorithm, self.ec)):
            found.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})  # type: ignore[arg-type]
        return {"keys": found}

    def token(self, algorithm: str = "RS256", **claims: Any) -> str:
        now = int(time.time())
        told = {"iss": self.issuer, "aud": AUDIENCE, "sub": "alice-1", "iat": now, "exp": now + 300, **claims}
        told = {name: value for name, value in told.items() if value is not None}
        key: Any = self.rsa if algorithm.startswith(("RS", "PS")) else self.ec
        return jwt.encode(told, key, algorithm, headers={"kid": "r1" if key is self.rsa else "e1"})

    def bearer(self, algorithm: str = "RS256", **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(algorithm, **claims)}"}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        url = self.provider.issuer
        documents = {
            "/.well-known/openid-configuration": {
                "issuer": url,
                "jwks_uri": f"{url}/keys",
                "token_endpoint": f"{url}/token",
            },
            "/keys": self.provider.keys(),
        }
        self._answer(documents.get(self.path))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        basic = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if self.path != "/token" or basic != "robot:secret" or form["grant_type"] != ["client_credentials"]:
            self._answer(None)
            return
        self._answer({"access_token": self.provider.token(sub="robot", **self.provider.extra), "token_type": "Bearer"})

    def _answer(self, document: Any) -> None:
        self.provider.requests[self.path] = self.provider.requests.get(self.path, 0) + 1
        body = json.dumps(document).encode()
        self.send_response(404 if document is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running() -> Iterator[Provider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"provider": provider})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
