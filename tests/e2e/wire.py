"""A small client of the APIs for tests on a machine of their own: sockets are opened in its network, all else is here.

The official client costs two seconds of processor per call; tests that want to look and strike often use this one.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.machine import Machine

CLONE_NEWNET = 0x40000000
PATHS = {"image": "/v2", "network": "/v2.0", "compute": "/v2.1"}
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """This thread, for a moment, in the network of process `pid`. A socket stays in the network it was made in."""
    here = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        _setns(there)
        yield
    finally:
        _setns(here)
        os.close(here)
        os.close(there)


class Refused(AssertionError):
    """An answer of 400 or more."""

    def __init__(self, status: int, text: str, what: str) -> None:
        super().__init__(f"{what}: {status} {text}")
        self.status = status


class Client:
    """One user of the cloud in `state` on `machine`. Waits through a controller that is being restarted."""

    def __init__(self, machine: Machine, user: str, state: Path) -> None:
        self._machine = machine
        text = Path(f"/proc/{machine.pid}/root{state}/{user}-openrc").read_text()
        found = dict(re.findall(r"^export (OS_\w+)='?([^'\n]*)'?$", text, re.M))
        scope = {"project": {"name": found["OS_PROJECT_NAME"], "domain": {"id": "default"}}}
        account = {"name": found["OS_USERNAME"], "domain": {"id": "default"}, "password": found["OS_PASSWORD"]}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": account}}, "scope": scope}}
        self._headers: dict[str, str] = {"OpenStack-API-Version": "compute 2.79", "Accept": "application/json"}
        status, headers, raw = self._send("POST", found["OS_AUTH_URL"] + "/auth/tokens", json.dumps(body).encode())
        assert status == 201, raw
        self._headers["X-Auth-Token"] = headers["x-subject-token"]
        token = json.loads(raw)["token"]
        self.project = str(token["project"]["id"])
        self._urls = {
            service["type"]: next(each["url"] for each in service["endpoints"] if each["interface"] == "public")
            for service in token["catalog"]
        }

    def get(self, service: str, path: str) -> Any:
        return self.ask("GET", service, path)

    def post(self, service: str, path: str, body: Any) -> Any:
        return self.ask("POST", service, path, body)

    def put(self, service: str, path: str, body: Any) -> Any:
        return self.ask("PUT", service, path, body)

    def delete(self, service: str, path: str) -> None:
        """Delete; gone already is as good."""
        try:
            self.ask("DELETE", service, path)
        except Refused as error:
            if error.status != 404:
                raise

    def ask(self, method: str, service: str, path: str, body: Any = None) -> Any:
        """JSON of the answer, None when it is empty. Raises Refused."""
        url = self._urls[service].rstrip("/")
        if not urlsplit(url).path.startswith("/v"):
            url += PATHS.get(service, "")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        status, _, raw = self._send(method, url + path, data)
        if status >= 400:
            raise Refused(status, raw.decode(errors="replace"), f"{method} {path}")
        return json.loads(raw) if raw else None

    def _send(self, method: str, url: str, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        end = time.monotonic() + 40
        while True:
            try:
                return self._once(method, url, body)
            except (ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected) as error:
                # Refused was not sent. What was cut off may have been done, which only a POST would double.
                sent = not isinstance(error, ConnectionRefusedError)
                if time.monotonic() > end or (sent and method == "POST"):
                    raise
            time.sleep(0.05)

    def _once(self, method: str, url: str, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
        with network_of(self._machine.pid):
            connection.sock = socket.create_connection((parts.hostname, parts.port or 80), 60)
        kind = "application/octet-stream" if path_is_data(parts.path) else "application/json"
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            connection.request(method, target, body, {**self._headers, "Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def path_is_data(path: str) -> bool:
    """Whether what is sent there are an image's bytes."""
    return path.endswith("/file")
