"""A web server on loopback for imports and for the store that reads web servers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What is there: `announced` is the length that the answer speaks of, when it lies."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    ranges: bool = True


@dataclass
class Web:
    """The server: its pages by path, and the requests that it saw (path, headers)."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    wait: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> list[str]:
        return [path for path, _ in self.seen]


@contextmanager
def web_server() -> Iterator[Web]:
    """A server on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.seen.append((self.path, dict(self.headers.items())))
            if self.path.startswith("/slow"):
                web.wait.wait(20)
            page = web.pages.get(self.path, Page(status=404))
            body, status, more = page.body, page.status, dict(page.headers)
            found = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
            if found and page.ranges and status == 200:
                first = int(found[1])
                more["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
                body, status = body[first:], 206
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if page.announced is None else page.announced))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return
            self.close_connection = page.announced is not None

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = Web(int(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.wait.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
