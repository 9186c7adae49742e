"""What every service answers before its operations: health, browsers, compression, broken and hostile requests."""

from __future__ import annotations

import asyncio
import errno
import functools
import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.auth import Policy
from cumulet.db import Database
from cumulet.http import Call, Reply, Service, encoding, reading
from cumulet.http.app import App
from cumulet.http.faults import BadRequest, webob_body
from cumulet.http.mount import Mount
from cumulet.http.server import listen, serve
from tests.http.test_app import authenticate, made
from tests.services.serving import PLAIN

ORIGIN = "https://horizon.example.com"


def service() -> Service:
    found = made()

    @found.get("/large", auth=False)
    def large(call: Call) -> dict[str, Any]:
        return {"things": ["abcdefgh"] * 2000}

    @found.get("/bytes", auth=False)
    def image(call: Call) -> Reply:
        return Reply(b"a" * 10_000, content_type="application/octet-stream")

    @found.get("/named/{name}", auth=False)
    def named(call: Call, name: str) -> Reply:
        return Reply({"name": name}, headers={"Location": f"{call.base_url}/named/{name}"})

    @found.get("/query", auth=False)
    def query(call: Call) -> dict[str, Any]:
        return {"query": call.query, "from": call.client_address, "global": call.global_request_id}

    @found.post("/any", auth=False, request=object, transaction="none")
    def anything(call: Call) -> Any:
        return Reply({"body": call.body})

    return found


class Running:
    def __init__(self, folder: Path) -> None:
        sock = listen("127.0.0.1", 0)
        self.port = sock.getsockname()[1]
        self.state = folder
        made = service()
        mounts = {self.port: Mount(made, None, Policy(made.rules), "http://identity/v3")}
        self.app = App(Database(folder / "db.sqlite"), mounts, authenticate, origins=(ORIGIN,), state=folder)
        self.app.compresses_for = lambda asked, kind, size, _client: encoding.wanted(asked, kind, size, "192.0.2.1")  # type: ignore[assignment]
        threading.Thread(target=lambda: asyncio.run(serve(self.app, [sock])), daemon=True).start()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", verify=PLAIN)

    def raw(self, data: bytes, pause: float = 0.0) -> bytes:
        """What comes back for these bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as sock:
            try:
                for start in range(0, len(data), 60_000):
                    sock.sendall(data[start : start + 60_000])
                    time.sleep(pause)
                sock.shutdown(socket.SHUT_WR)
                return b"".join(iter(functools.partial(sock.recv, 65536), b""))
            except OSError as error:
                if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                    raise
                return b"closed"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    found = Running(tmp_path_factory.mktemp("front"))
    yield found
    found.http.close()


# ---- health, as in oslo.middleware's healthcheck


@pytest.mark.parametrize(
    ("accept", "kind", "text"),
    [
        ("", "text/plain; charset=UTF-8", "OK"),
        ("*/*", "text/plain; charset=UTF-8", "OK"),
        ("image/png", "text/plain; charset=UTF-8", "OK"),
        ("application/json", "application/json", '{\n    "detailed": false,\n    "reasons": [\n        "OK"\n    ]\n}'),
        ("text/plain;q=0.1, application/json;q=0.9", "application/json", '"OK"'),
        ("text/html", "text/html; charset=UTF-8", "<TD>OK</TD>"),
        ("text/html;q=abc, text/*", "text/plain; charset=UTF-8", "OK"),
    ],
)
def test_health_speaks_as_asked(running: Running, accept: str, kind: str, text: str) -> None:
    answer = running.http.get("/healthcheck", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert text in answer.text


def test_a_file_switches_health_off(running: Running) -> None:
    assert running.http.head("/healthcheck").status_code == 204
    for name in ("healthcheck_disable", "healthcheck_disable.compute"):
        file = running.state / name
        file.touch()
        answers = [running.http.get("/healthcheck"), running.http.head("/healthcheck")]
        file.unlink()
        assert [a.status_code for a in answers] == [503, 503]
        assert answers[0].text == "DISABLED BY FILE"
    (running.state / "healthcheck_disable.image").touch()
    assert running.http.get("/healthcheck").status_code == 200
    assert running.http.post("/healthcheck").status_code == 405


# ---- browsers


def test_a_preflight_of_an_allowed_origin(running: Running) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    answer = running.http.options(
        "/things", headers={**asked, "Access-Control-Request-Headers": "X-Auth-Token, x-roles"}
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "PATCH"
    assert answer.headers["access-control-allow-headers"] == "X-Auth-Token,x-roles"
    assert answer.headers["access-control-max-age"] == "3600"
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "asked",
    [
        {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "GET"},
        {"Origin": ORIGIN + ".evil.example.com", "Access-Control-Request-Method": "GET"},
        {"Origin": ORIGIN, "Access-Control-Request-Method": "TRACE"},
        {"Origin": ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "X-Evil"},
    ],
)
def test_a_preflight_without_permission(running: Running, asked: dict[str, str]) -> None:
    answer = running.http.options("/things", headers=asked)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_answers_tell_the_browser(running: Running) -> None:
    for path, status in (("/empty", 200), ("/things/1", 401), ("/nothing", 404), ("/healthcheck", 200)):
        answer = running.http.get(path, headers={"Origin": ORIGIN})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)
        assert "X-Subject-Token" in answer.headers["access-control-expose-headers"].split(",")
        assert "Origin" in answer.headers["vary"]
        strange = running.http.get(path, headers={"Origin": "null"})
        assert "access-control-allow-origin" not in strange.headers
    assert running.http.options("/empty").status_code == 405


def test_without_allowed_origins_there_is_no_cors(running: Running) -> None:
    from cumulet.http.cors import Cors

    asked = {"origin": ORIGIN, "access-control-request-method": "GET"}
    assert (Cors().headers(asked), Cors().preflight(asked)) == ([], None)
    everybody = dict(Cors(["*"]).headers(asked))
    assert everybody["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in everybody


# ---- compression


def test_long_answers_are_compressed_for_who_asks(running: Running) -> None:
    plain = running.http.get("/large", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with running.http.stream("GET", "/large", headers={"Accept-Encoding": "deflate, gzip;q=0.5"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    assert int(answer.headers["content-length"]) == len(raw) < len(plain.content) / 10
    assert gzip.decompress(raw) == plain.content
    for path in ("/empty", "/bytes"):
        assert "content-encoding" not in running.http.get(path, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("asked", "client", "wanted"),
    [
        ("gzip", "192.0.2.1", True),
        ("br, *;q=0.1", "192.0.2.1", True),
        ("gzip;q=0", "192.0.2.1", False),
        ("gzip;q=0.0", "192.0.2.1", False),
        ("notgzip", "192.0.2.1", False),
        ("", "192.0.2.1", False),
        ("gzip", "127.0.0.1", False),
        ("gzip", "::1", False),
    ],
)
def test_who_gets_compressed_answers(asked: str, client: str, wanted: bool) -> None:
    assert encoding.wanted(asked, "application/json", 10_000, client) is wanted


# ---- request ids


def test_a_well_formed_global_request_id_reaches_operation_and_log(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    good = "req-01234567-89ab-cdef-0123-456789abcdef"
    with caplog.at_level(logging.INFO, "cumulet.http"):
        assert running.http.get("/query", headers={"X-Openstack-Request-Id": good}).json()["global"] == good
        for bad in (good + "0", good.upper(), "req-1", good + " forged", "x" * 5000):
            answer = running.http.get("/query", headers={"X-Openstack-Request-Id": bad})
            assert answer.json()["global"] is None
            assert answer.headers["x-openstack-request-id"] not in (good, bad)
        end = time.monotonic() + 5  # a request is logged after its answer
        while len(caplog.records) < 6 and time.monotonic() < end:
            time.sleep(0.01)
    assert [good in record.getMessage() for record in caplog.records] == [True, False, False, False, False, False]


def test_probes_that_find_nothing_wrong_are_not_in_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cumulet.http"):
        assert running.http.get("/healthcheck").status_code == 200
        assert running.http.get("/nowhere").status_code == 404
        end = time.monotonic() + 5  # a request is logged after its answer
        while not caplog.records and time.monotonic() < end:
            time.sleep(0.01)
    assert [record.getMessage().split(" status")[0] for record in caplog.records] == ["GET /nowhere"]


def test_a_path_cannot_forge_a_line_of_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cumulet.http"):
        assert running.http.get("/named/a%0aforged line").status_code == 400
    assert all("\n" not in record.getMessage() for record in caplog.records)


# ---- hostile requests


def test_what_is_reflected_cannot_start_a_header(running: Running) -> None:
    for escaped in ("a%0d%0aX-Evil:%201", "a%0aX-Evil:1", "a%00b", "%1b[31m"):
        answer = running.http.get(f"/named/{escaped}")
        assert answer.status_code == 400
        assert "x-evil" not in answer.headers
    answer = running.http.get("/named/%C3%BC%E2%82%AC b")
    assert (answer.status_code, answer.json()) == (200, {"name": "ü€ b"})
    assert answer.headers["location"].endswith("/named/%C3%BC%E2%82%AC b")


@given(st.text())
def test_a_header_value_is_one_line_of_ascii(text: str) -> None:
    value = reading.header_value(text)
    assert value.isascii() and not any((byte < 32 and byte != 9) or byte == 127 for byte in value)


def test_hosts_that_are_none(running: Running) -> None:
    for host in (b"evil.example.com/path", b"a b", b'"><script>', b"a" * 300, b"user@host"):
        answer = running.raw(b"GET /named/a HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), host
        assert b"badRequest" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"rubbish\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /empty HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        b"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /any HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /empty HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"GET /things/1 HTTP/1.1\r\nHost: a\r\nX-Auth-Token: reader\r\nX-Auth-Token: admin\r\n\r\n",
    ],
)
def test_requests_that_are_no_http_are_refused_in_the_services_words(running: Running, head: bytes) -> None:
    answer = running.raw(head)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b'{"badRequest":{"code":400' in answer
    assert running.http.get("/empty").status_code == 200


@pytest.mark.parametrize("pause", [0.0, 0.02])
@pytest.mark.parametrize(
    "head",
    [
        b"GET /empty HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 300_000,
        b"GET /empty HTTP/1.1\r\nHost: a\r\n" + b"X-Many: 1\r\n" * 30_000,
        b"GET /" + b"a" * 300_000,
        b"GET /empty HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=["endless header", "many headers", "endless path", "long and whole"],
)
def test_a_head_has_a_limit(running: Running, head: bytes, pause: float) -> None:
    answer = running.raw(head, pause)
    assert answer == b"closed" or answer.split()[1] in (b"431", b"414"), answer[:200]
    assert running.http.get("/empty").status_code == 200


def test_urls_have_a_limit(running: Running) -> None:
    assert running.http.get("/named/" + "a" * 20_000).status_code == 414
    assert running.http.get("/query", params={"a": "a" * 20_000}).status_code == 414


@pytest.mark.parametrize("query", ["a=%00", "%00=a", "a=%ff", "a=%ed%a0%80", "&".join(f"a{n}=1" for n in range(1500))])
def test_queries_that_make_no_sense(running: Running, query: str) -> None:
    answer = running.http.get(f"/query?{query}")
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"]


@pytest.mark.parametrize("path", ["/named/%00", "/named/%ff", "/named/%c3%28", "/named/a%7fb", "/named/%ed%a0%80"])
def test_paths_that_make_no_sense(running: Running, path: str) -> None:
    assert running.http.get(path).status_code == 400


def test_an_escaped_slash_is_part_of_a_name(running: Running) -> None:
    assert running.http.get("/named/a%2Fb%252Fc").json() == {"name": "a/b%2Fc"}
    assert running.http.get("/named/..%2f..%2fetc%2fpasswd").json() == {"name": "../../etc/passwd"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a": "' + b"\\u0000" + b'"}', 400),
        (b'{"\\u0000": 1}', 400),
        (b'{"a": "\\\\u0000"}', 200),
        (b"[" * 60 + b"]" * 60, 200),
        (b"[" * 70 + b"]" * 70, 400),
        (b'{"a":' * 70 + b"1" + b"}" * 70, 400),
        (b"[" * 50_000, 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"a": NaN}', 400),
        (b'{"a": 1e999}', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"[" + b"[]," * 5000 + b"[]]", 200),
        (b"\xc3\x28", 400),
        (b"{}{}", 400),
    ],
)
def test_bodies(running: Running, body: bytes, status: int) -> None:
    answer = running.http.post("/any", content=body)
    assert answer.status_code == status, answer.text


def test_a_header_cannot_choose_the_clients_address_or_scheme(running: Running) -> None:
    """CVE-2024-29006 of CloudStack: a client that says where it comes from."""
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Forwarded": "for=203.0.113.9"}
    assert running.http.get("/query", headers=forged).json()["from"] == "127.0.0.1"
    assert running.http.get("/named/a", headers=forged).headers["location"].startswith("http://127.0.0.1")


def test_microversions(running: Running) -> None:
    def asked(text: str | list[str], name: str = "OpenStack-API-Version") -> httpx.Response:
        values = [text] if isinstance(text, str) else text
        return running.http.get("/empty", headers=[(name, value) for value in values])

    assert asked("image 2.1, compute 2.3,volume 3.0").headers["openstack-api-version"] == "compute 2.3"
    assert asked(["volume 3.0", "compute 2.4"]).headers["openstack-api-version"] == "compute 2.4"
    assert asked("compute 2.2, compute 2.5").headers["openstack-api-version"] == "compute 2.5"
    assert asked("COMPUTE Latest").headers["x-old"] == "2.9"
    assert asked("2.4, 2.6", "X-Old").headers["openstack-api-version"] == "compute 2.6"
    assert asked("compute").headers["openstack-api-version"] == "compute 2.1"
    outside = asked("compute 2.10")
    assert (outside.status_code, outside.headers["vary"]) == (406, "Origin, OpenStack-API-Version, X-Old")
    assert outside.json()["computeFault"]["max_version"] == "2.9"
    for text in (
        "compute 2",
        "compute 2.x",
        "compute 2.1.1",
        "compute 2.1 extra",
        "compute -2.1",
        "compute " + "9" * 5000 + ".1",
    ):
        assert asked(text).status_code == 400, text
    forged = "OpenStack-API-Version", "compute ٢.١".encode()  # digits, but not ours
    assert running.http.get("/empty", headers=[forged]).status_code == 400  # type: ignore[arg-type]


def test_a_fault_that_repeats_strange_text_is_still_rendered() -> None:
    body, kind = webob_body(BadRequest("<script>"), "", "text/html")
    assert b"<script>" not in body and kind.startswith("text/html")
