"""A stand-in for the controller and the node: a process per role, resources kept in memory.

Usage: fake_cloud.py ROLE STATE. It speaks just enough of each API for `up` to fill it. With the file
STATE/cache/break-<role> present the process ends at once with a word why.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cumulet.config import Settings, standard_ports

MADE: dict[str, list[dict]] = {name: [] for name in ("flavors", "images", "networks", "subnets", "routers", "ports")}
FURNISHED: set[str] = set()
SETTINGS: Settings


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, body: object, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        noun = [part for part in url.path.split("/") if part and part not in ("v1", "v2", "v2.0", "v2.1", "v3")]
        if not noun:
            return self.answer(200, {"versions": []})
        if noun[0] == "status":
            estranged = SETTINGS.cache_dir / "estranged"
            why = estranged.read_text() if estranged.exists() else None
            count = (SETTINGS.simulated or 1) if (SETTINGS.node_dir / "joined").exists() else 0
            nodes = [{"host": "fake", "up": why is None, "hold": why, "problems": []}] * count
            return self.answer(200, {"nodes": nodes, "estranged": why})
        if noun[0] == "furnished":
            return self.answer(200, {"furnished": sorted(FURNISHED)})
        if noun[0] == "explain":
            if noun[1] != "server-1":
                return self.answer(404, {})
            row = {"at": "2026-01-01T00:00:00Z", "event": "schedule", "message": "no host", "detail": {"h1": "RAM"}}
            told = {"kind": "server", "id": "1", "name": noun[1], "timeline": [row], "waits_for": [], "errors": []}
            return self.answer(200, {"subjects": [told]})
        if noun[0] not in MADE:
            return self.answer(404, {})
        found = MADE[noun[0]]
        for key, values in parse_qs(url.query).items():
            if key != "is_public":
                found = [row for row in found if row.get(key) == values[0]]
        return self.answer(200, {noun[0]: found})

    def do_POST(self) -> None:
        body = json.loads(self.body())
        noun = urlsplit(self.path).path.split("/")[-1]
        if noun == "tokens":
            return self.token(body["auth"]["identity"]["password"]["user"])
        if noun == "sessions":
            made = {"token": body["project"], "project_id": body["project"], "expires_at": ""}
            return self.answer(201, made)
        if noun == "furnished":
            FURNISHED.update(body["furnished"])
            return self.answer(201, {})
        inner = body if noun == "images" else next(iter(body.values()))
        row = {"id": uuid.uuid4().hex, "status": "queued", "project_id": self.headers["X-Auth-Token"]} | inner
        MADE[noun].append(row)
        return self.answer(201, row if noun == "images" else {noun[:-1]: row})

    def token(self, user: dict) -> None:
        if user["password"] != SETTINGS.secret(f"{user['name']}_password"):
            return self.answer(401, {"error": {"message": "The request you have made requires authentication."}})
        catalog = [
            {"type": s, "endpoints": [{"interface": "public", "region": "RegionOne", "url": SETTINGS.url(s)}]}
            for s in ("image", "compute", "network")
        ]
        token = {"project": {"id": user["name"]}, "catalog": catalog}
        return self.answer(201, {"token": token}, X_Subject_Token=user["name"])

    def do_PUT(self) -> None:
        data, parts = self.body(), self.path.split("/")
        if parts[-1] == "file":
            for image in MADE["images"]:
                if image["id"] == parts[-2]:
                    image |= {"status": "active", "size": len(data)}
        else:
            subnet = MADE["subnets"][-1]
            MADE["ports"].append({"device_id": parts[-2], "network_id": subnet["network_id"]})
        return self.answer(200, {})


def main() -> None:
    global SETTINGS
    role, state = sys.argv[1], Path(sys.argv[2])
    if (state / "cache" / f"break-{role}").exists():
        sys.exit(f"{role}: broken on purpose")
    SETTINGS = Settings.load(state)
    if role == "controller":
        assert isinstance(SETTINGS.database, Path)
        SETTINGS.database.touch()
    if role == "node":
        (SETTINGS.node_dir / "joined").touch()
    while role == "node":
        time.sleep(3600)
    for service in standard_ports():
        server = ThreadingHTTPServer((SETTINGS.listen, SETTINGS.ports.of(service)), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
