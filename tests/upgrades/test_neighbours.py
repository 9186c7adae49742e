"""A node of the release before under this controller, and this node under the controller of the release before.

``link-193ee7e.json`` is what an agent and a controller of that commit said to each other while a server was made and
deleted; credentials were taken out of it.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

import cumulet
from cumulet.desired.guest import Guest
from cumulet.fleet import door
from cumulet.fleet.api.status import _host
from cumulet.fleet.model import hosts
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Link
from cumulet.node.simulated import SimulatedParts
from cumulet.node.simulation import Script
from tests.fleet.test_link import Cloud, _until

SAID: list[dict[str, Any]] = json.loads(Path(__file__).with_name("link-193ee7e.json").read_text())


def of(path: str, **equal: Any) -> list[dict[str, Any]]:
    return [each for each in SAID if each["path"].startswith(path) and all(each[k] == v for k, v in equal.items())]


def wanted() -> dict[str, Any]:
    """The item of the guest as the controller of before sent it."""
    for each in of("/v1/desired?kinds=guest"):
        for item in each["answer"].get("items", []):
            if "spec" in item:
                return dict(item)
    raise AssertionError


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


def test_a_node_of_before_under_this_controller(cloud: Cloud) -> None:
    """All that its agent said is taken, and all that it reads of the answers is in them."""
    (joining,) = of("/v1/join")
    own = {"X-Cumulet-Node": "old-node", "Authorization": f"Bearer {cloud.token('old-node')}"}
    joined = ask(cloud, joining, own)
    own = {"X-Cumulet-Link": joined["link_id"], "X-Cumulet-Secret": joined["secret"]}
    item = wanted()
    made = msgspec.convert(item["spec"], Guest)
    with cloud.db.transaction() as tx:
        cloud.guests[made.id] = made
        revision = door.publish(tx, link_id=joined["link_id"], kind="guest", ref=made.id, host=item["host"])
    for heartbeat in of("/v1/heartbeat"):
        ask(cloud, heartbeat, own)
    first = of("/v1/desired?kinds=guest")[0]
    answer = ask(cloud, first, own)
    assert set(first["answer"]) <= set(answer) | {"full"}
    (told,) = answer["items"]
    assert {**told, "revision": 0} == {**item, "revision": 0}
    ready, gone = (each for each in of("/v1/reports") if each["body"]["reports"][-1]["kind"] == "guest")
    for said, state in ((ready, "ready"), (gone, "absent")):
        (report,) = (each for each in said["body"]["reports"] if each["kind"] == "guest")
        assert report["state"] == state
        said = {**said, "body": {"reports": [{**report, "revision": revision}]}}
        assert ask(cloud, said, own) == {"kept": 1}
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
    note = f"its node is Cumulet 0.1.0, the controller is {cumulet.__version__}"
    assert (_host(host)["version"], _host(host)["notes"]) == ("0.1.0", [note])


def test_a_node_says_its_version() -> None:
    assert {facts.version for facts in SimulatedParts(2).facts()} == {cumulet.__version__}


class Before:
    """A controller of before: answers as it did, and long polls with nothing new."""

    def __init__(self) -> None:
        self.asked: list[str] = []
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
        request.rfile.read(int(request.headers.get("content-length") or 0))
        path = request.path
        self.asked.append(path)
        found = [each for each in SAID if each["path"] == path] or of(path.split("?")[0])
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
    before = Before()
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
