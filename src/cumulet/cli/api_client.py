"""A small client of the public APIs, for what the command line itself needs of them.

It uses a token and the catalog as any client does, and must never know a way into the services that a user
has not.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from cumulet.cli.errors import CliError

_VERSION = re.compile(r"v[0-9]+(\.[0-9]+)?")
VERSION_PATHS = {"image": "/v2", "network": "/v2.0", "compute": "/v2.1"}


class ApiError(CliError):
    """An answer with a status of 400 or more; `code` is that status, 0 when no answer came."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def unanswered(error: ApiError, words: str = "") -> CliError:
    """What a verb says of it: when nobody answered at all, how to look whether the cloud is up. `words` go behind the
    command."""
    return CliError(f"{error}; is the cloud up? (cumulet status{words})" if error.code == 0 else str(error))


class OtherCertificateError(OSError):
    """The server shows another certificate than it should."""


ANY = b""
"""Whatever certificate a server shows: for questions that carry no secret."""


def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | IO[bytes] | None = None,
    timeout: float = 30.0,
    shown: bytes | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request: status, headers (names in lower case) and body. `shown`: the certificate (DER) that the server
    has to show, whoever signed it (`ANY`: whichever); without it, one that this machine trusts.

    Raises OSError when there is no answer, OtherCertificateError when the server shows another one.
    """
    parts = urlsplit(url)
    connection = _connection(parts, timeout, shown)
    path = parts.path or "/"
    try:
        connection.request(method, f"{path}?{parts.query}" if parts.query else path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer from {url}: {error!r}") from error
    finally:
        connection.close()


def _connection(parts: SplitResult, timeout: float, shown: bytes | None) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    if shown is None:
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout)
    return _Pinned(host, parts.port or 443, timeout, shown)


class _Pinned(http.client.HTTPSConnection):
    """A connection to a server known by its certificate: this machine's own, which is asked under addresses that an
    operator's certificate need not name."""

    def __init__(self, host: str, port: int, timeout: float, shown: bytes) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        super().__init__(host, port, timeout=timeout, context=context)
        self._shown = shown

    def connect(self) -> None:
        super().connect()
        if self._shown != ANY and self.sock.getpeercert(True) != self._shown:
            self.sock.close()
            raise OtherCertificateError(f"{self.host} port {self.port} shows a certificate that is not this cloud's")


class Session:
    """A token of one user in one project, and the catalog that came with it. `shown`: as for `call`."""

    shown: bytes | None = None

    def __init__(self, auth_url: str, user: str, password: str, region: str, *, shown: bytes | None = None) -> None:
        self.shown = shown
        scope = {"project": {"name": user, "domain": {"id": "default"}}}
        account = {"name": user, "domain": {"id": "default"}, "password": password}
        identity = {"methods": ["password"], "password": {"user": account}}
        body = json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()
        status, headers, text = _answered(
            "POST", f"{auth_url}/v3/auth/tokens", {"Content-Type": "application/json"}, body, shown
        )
        if status != 201:
            raise ApiError(f"the identity service gave {user} no token: {status} {_message(text)}", status)
        self.token = headers["x-subject-token"]
        token = json.loads(text)["token"]
        self.project_id: str = token["project"]["id"]
        self.endpoints: dict[str, str] = {}
        for service in token["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["interface"] == "public" and endpoint["region"] == region:
                    self.endpoints[service["type"]] = endpoint["url"].rstrip("/")

    @classmethod
    def of(cls, token: str, project_id: str, endpoints: Mapping[str, str]) -> Session:
        """A session with a token that is there already. `endpoints`: service type → URL."""
        made = cls.__new__(cls)
        made.token, made.project_id, made.endpoints = token, project_id, dict(endpoints)
        return made

    def url(self, service: str) -> str:
        """Where the catalog says a service is, with its version.

        Raises CliError when it is not in the catalog.
        """
        if service not in self.endpoints:
            raise CliError(f"the catalog has no public endpoint of type {service}")
        endpoint = self.endpoints[service]
        last = urlsplit(endpoint).path.rpartition("/")[2]
        return endpoint if _VERSION.fullmatch(last) else endpoint + VERSION_PATHS.get(service, "")

    def request(self, method: str, service: str, path: str, body: object = None) -> Any:
        """A JSON request; the answer's JSON (None when it is empty). Raises ApiError."""
        data = None if body is None else json.dumps(body).encode()
        return self._request(method, service, path, data, "application/json")

    def upload(self, service: str, path: str, file: IO[bytes]) -> None:
        """PUT a file's bytes."""
        self._request("PUT", service, path, file, "application/octet-stream")

    def named(self, service: str, noun: str, name: str, **filters: str) -> dict[str, Any] | None:
        """The first resource with that name, or None. `noun` is the collection (``networks``)."""
        query = urlencode({"name": name, **filters})
        found = self.request("GET", service, f"/{noun}?{query}")[noun]
        return next((item for item in found if item["name"] == name), None)

    def _request(self, method: str, service: str, path: str, body: bytes | IO[bytes] | None, kind: str) -> Any:
        url = self.url(service) + quote(path, safe="/?&=%+:.-_~")
        headers = {"X-Auth-Token": self.token, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = kind
        status, _, text = _answered(method, url, headers, body, self.shown)
        if status >= 400:
            raise ApiError(f"{method} {url}: {status} {_message(text)}", status)
        return json.loads(text) if text else None


def _answered(
    method: str, url: str, headers: Mapping[str, str], body: bytes | IO[bytes] | None, shown: bytes | None
) -> tuple[int, dict[str, str], bytes]:
    try:
        return call(method, url, headers, body, shown=shown)
    except OSError as error:
        raise ApiError(f"{method} {url}: {error}", 0) from error


def _message(text: bytes) -> str:
    """The sentence inside an OpenStack error body, whichever service it is from."""
    try:
        found = json.loads(text)
    except ValueError:
        return text[:300].decode("utf-8", "replace")
    while isinstance(found, dict) and found:
        found = found.get("message") or next(iter(found.values()))
    return str(found)
