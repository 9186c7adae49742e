"""A node of a release before under this controller, and this node under the controller of a release before.

``link-193ee7e.json`` (0.1.0) and ``link-0.2.0.json`` are what an agent and a controller of these commits said to each
other while a server was made and deleted; credentials were taken out (see `tests.upgrades.record`).
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

import cumulet
from cumulet.desired.guest import Guest
from cumulet.desired.port import split
from cumulet.fleet import door
from cumulet.fleet.api.status import _host
from cumulet.fleet.model import hosts
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Link
from cumulet.node.simulated import SimulatedParts
from cumulet.node.simulation import Script
from tests.fleet.test_link import Cloud, _until


class Said:
    """A recorded conversation."""

    def __init__(self, name: str) -> None:
        self.all: list[dict[str, Any]] = json.loads(Path(__file__).with_name(f"link-{name}.json").read_text())

    def of(self, path: str) -> list[dict[str, Any]]:
        return [each for each in self.all if each["path"].startswith(path)]

    def wanted(self) -> dict[str, Any]:
        """The item of the guest as the controller of before sent it."""
        for each in self.of("/v1/desired?kinds=guest"):
            for item in each["answer"].get("items", []):
                if "spec" in item:
                    return dict(item)
        raise AssertionError

    def reports(self) -> list[dict[str, Any]]:
        """What was reported of the guest."""
        found = [report for each in self.of("/v1/reports") for report in each["body"]["reports"]]
        return [report for report in found if report["kind"] == "guest"]


BEFORE_CLOUDS, BEFORE_FORMATS = Said("193ee7e"), Said("0.2.0")


def ask(cloud: Cloud, said: dict[str, Any], headers: dict[str, str], path: str = "") -> Any:
    """Send a recorded request; the answer of this controller, which has the recorded one's status."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=30)
    body = None if said["body"] is None else json.dumps(said["body"])
    shown = {"Content-Type": "application/json", **headers}
    connection.request(said["method"], path or said["path"].replace("wait=25.0", "wait=0"), body, shown)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == said["status"], text
    return json.loads(text) if text else None


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    yield made
    made.db.wakeups.close()


@pytest.mark.parametrize(("said", "version"), [(BEFORE_CLOUDS, "0.1.0"), (BEFORE_FORMATS, "0.2.0")])
def test_a_node_of_before_under_this_controller(cloud: Cloud, said: Said, version: str) -> None:
    """All that its agent said is taken, and all that it reads of the answers is in them."""
    (joining,) = said.of("/v1/join")
    own = {"X-Cumulet-Node": "old-node", "Authorization": f"Bearer {cloud.token('old-node')}"}
    joined = ask(cloud, joining, own)
    own = {"X-Cumulet-Link": joined["link_id"], "X-Cumulet-Secret": joined["secret"]}
    if said is BEFORE_FORMATS:
        own["X-Cumulet-Seen"] = "-"
    item = said.wanted()
    made = msgspec.convert(item["spec"], Guest)
    plugs, cloud.ports = split(made.id, made.interfaces)
    with cloud.db.transaction() as tx:
        cloud.guests[made.id] = msgspec.structs.replace(made, ports=plugs, interfaces=[])
        revision = door.publish(tx, link_id=joined["link_id"], kind="guest", ref=made.id, host=item["host"])
    for other in (*said.of("/v1/heartbeat"), *said.of("/v1/kept")):
        ask(cloud, other, own)
    first = said.of("/v1/desired?kinds=guest")[0]
    answer = ask(cloud, first, own)
    assert set(first["answer"]) <= set(answer) | {"full"}
    (told,) = answer["items"]
    assert {**told, "revision": 0} == {**item, "revision": 0}
    telling = said.of("/v1/reports")[0]
    reported = said.reports()
    for report, state in ((reported[0], "ready"), (reported[-1], "absent")):
        assert report["state"] == state
        assert ask(cloud, {**telling, "body": {"reports": [{**report, "revision": revision}]}}, own) == {"kept": 1}
        if state == "ready":
            with cloud.db.transaction() as tx:
                cloud.guests.pop(made.id)
                door.withdraw(tx, link_id=joined["link_id"], kind="guest", ref=made.id)
            (told,) = ask(cloud, first, own, f"/v1/desired?kinds=guest&since={revision}&wait=0")["items"]
            assert told["gone"] is True
            revision = told["revision"]
    with cloud.db.read() as tx:
        assert door.observed(tx, "guest", [made.id]) == {}
        (host,) = hosts.every(tx)
    note = f"its node is Cumulet {version}, the controller is {cumulet.__version__}"
    assert (_host(host)["version"], _host(host)["notes"]) == (version, [note])


def test_a_node_says_its_version() -> None:
    assert {facts.version for facts in SimulatedParts(2).facts()} == {cumulet.__version__}


class Before:
    """A controller of before: answers as it did, and long polls with nothing new."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.asked: list[str] = []
        self.reports: list[dict[str, Any]] = []
        before = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                before.answer(self)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body: Any = request.rfile.read(int(request.headers.get("content-length") or 0))
        path = request.path.replace("port,guest", "guest")  # it has no such kind
        self.asked.append(path)
        if path == "/v1/reports":
            self.reports += json.loads(body).get("reports", [])
        found = [each for each in self.said.all if each["path"] == path]
        if not found and "since=" in path and "since=0" not in path:
            revision = int(path.split("since=")[1].split("&")[0])
            cloud = self.said.of("/v1/desired")[0]["answer"].get("cloud")
            found = [{"status": 200, "answer": {"revision": revision, "cloud": cloud}}]
            time.sleep(0.2)
        found = found or self.said.of(path.split("?")[0])
        status, body = 404, b"{}"
        if found:
            status, body = found[0]["status"], json.dumps(found[0]["answer"] or {}).encode()
        request.send_response(status)
        if status != 204:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if status != 204:
            request.wfile.write(body)


def test_this_node_under_a_controller_of_before(tmp_path: Path) -> None:
    """That one does not say whose it is: what the node has stays as it is, and the node goes on saying that it is
    there."""
    before = Before(BEFORE_CLOUDS)
    guest = '{"id":"00000001-0000-4000-8000-000000000000","host":"sim-0001","name":"i","taps":[],"running":true,'
    (tmp_path / "world").mkdir()
    file = tmp_path / "world" / "00000001-0000-4000-8000-000000000000.json"
    file.write_text(guest + '"hard_reboots":0,"soft_reboots":0,"started":1}')
    parts = SimulatedParts(1, Script(), tmp_path / "world")
    link = Link(f"http://127.0.0.1:{before.server.server_address[1]}")
    link.join("new-node", parts.facts(), "token")
    agent = Agent(link, parts, Journal(None), rejoin=lambda: None)
    agent.start()
    try:
        _until(lambda: sum("/v1/desired?kinds=guest" in path for path in before.asked) > 3)
        _until(lambda: "/v1/heartbeat" in before.asked)
        left = {each.id: each for each in parts.guests()}[file.stem]  # there may be what that controller wants by now
        assert (left.running, left.started) == (True, 1)
    finally:
        agent.stop()
        before.server.shutdown()
        before.server.server_close()


def test_this_node_under_a_controller_that_says_no_format(tmp_path: Path) -> None:
    """0.2.0 says format 1 of everything without a word: what it wants is made, changed and ended."""
    before = Before(BEFORE_FORMATS)
    parts = SimulatedParts(1, Script(), tmp_path / "world")
    link = Link(f"http://127.0.0.1:{before.server.server_address[1]}")
    link.join("new-node", parts.facts(), "token")
    agent = Agent(link, parts, Journal(tmp_path / "journal"), rejoin=lambda: None)
    agent.start()
    try:
        _until(lambda: any(each["state"] == "absent" for each in before.reports))
    finally:
        agent.stop()
        before.server.shutdown()
        before.server.server_close()
    assert agent.hold is None and parts.guests() == []
    expected = BEFORE_FORMATS.reports()
    assert before.reports[-1] == expected[-1] and all(each in expected for each in before.reports)
