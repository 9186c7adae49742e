"""Nodes and the link: what a node may do with its own credentials, and what nobody may do without.

The node `sim` of the cloud carries alice's and bob's servers; `evil` is a second node that has joined as it should.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cumulet.cli.controller import sockets
from cumulet.config import LOOPBACK, Settings
from cumulet.fleet import door as fleet
from cumulet.fleet import tables
from cumulet.fleet.model import hosts, joining
from tests.assembled import Answer
from tests.regressions.tenants import Tenants, new_id

FACTS = {"hostname": "evil-1", "vcpus": 4, "memory_mb": 4096, "disk_gb": 10, "roles": ["network"]}


@dataclass
class Evil:
    """A node that has joined and does what it likes."""

    cloud: Tenants
    link_id: str
    secret: str

    def ask(self, method: str, path: str, body: Any = b"", query: str = "", **headers: str) -> Answer:
        own = {"x-cumulet-link": self.link_id, "x-cumulet-secret": self.secret, **headers}
        return self.cloud.ask("link", method, path, body=body, query=query, headers=own)

    def report(self, **values: Any) -> Answer:
        return self.ask("POST", "/v1/reports", {"reports": [values]})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    made = Tenants(tmp_path_factory.mktemp("nodes") / "state")
    yield made
    made.close()


@pytest.fixture
def evil(cloud: Tenants) -> Evil:
    name = f"evil-{new_id()[:8]}"
    with cloud.controller.db.transaction() as tx:
        link_id, secret = hosts.join(tx, name, [])
    return Evil(cloud, link_id, secret)


def joins(cloud: Tenants, name: str, token: str = "", told: Any = (), **headers: str) -> Answer:
    """The answer to a join."""
    sent = {"x-cumulet-node": name, **headers}
    if token:
        sent["authorization"] = f"Bearer {token}"
    return cloud.ask("link", "POST", "/v1/join", body={"hosts": list(told)}, headers=sent)


def token_for(cloud: Tenants, name: str | None = None) -> str:
    body = {} if name is None else {"name": name}
    answer = cloud.ask("link", "POST", "/v1/tokens", body=body, headers=operator(cloud))
    assert answer.status == 201, answer.body
    return str(answer.json["token"])


def operator(cloud: Tenants) -> dict[str, str]:
    return {"authorization": f"Bearer {cloud.settings.secret('operator_secret')}"}


def row(cloud: Tenants, table: Any, **equal: Any) -> Any:
    with cloud.controller.db.read() as tx:
        found = tx.rows_by_key(table, **equal)
    return found[0] if found else None


def server(cloud: Tenants, **values: Any) -> str:
    answer = cloud.alice.server(cloud.alice.image(), **values)
    assert answer.status == 202, answer.body
    return str(answer.json["server"]["id"])


# ---- joining


def test_no_token_takes_the_name_of_a_node_that_exists(cloud: Tenants, caplog: pytest.LogCaptureFixture) -> None:
    """Finding S18, case 48. The report's request, and what has come in its place: any token, the operator's secret, the
    secret of another node; the node keeps its own, and each attempt is in the log with where it came from."""
    before = row(cloud, tables.links, name="sim")
    for token in ("guess", cloud.settings.secret("operator_secret"), token_for(cloud), token_for(cloud, "other")):
        body = {"token": token, "name": "sim", "hosts": []}
        assert cloud.ask("link", "POST", "/v1/join", body=body).status == 401
        with caplog.at_level(logging.WARNING, "cumulet.fleet"):
            answer = joins(cloud, "sim", token)
        assert answer.status in (401, 409), answer.body
        (said,) = [r.getMessage() for r in caplog.records if "as sim" in r.getMessage()]
        assert "127.0.0.1" in said and token not in caplog.text
        caplog.clear()
    assert row(cloud, tables.links, name="sim") == before


def test_a_token_is_good_once_and_for_an_hour(cloud: Tenants) -> None:
    """Finding S18: kept as a hash; the second node that comes with it is refused, and so is one that comes late."""
    token = token_for(cloud)
    for file in cloud.settings.state.joinpath("db").iterdir():
        assert token.encode() not in file.read_bytes()
    assert joins(cloud, "once-1", token).status == 200
    assert joins(cloud, "once-2", token).status == 401
    late = token_for(cloud)
    with cloud.controller.db.transaction() as tx:
        kept = tx.rows_by_key(tables.join_tokens, token_hash=hosts.digest(late))[0]
        assert 3_500_000_000 < kept.expires_at - tx.now <= joining.TOKEN_S * 1_000_000
        tx.update_by_key(tables.join_tokens, {"token_hash": kept.token_hash}, expires_at=tx.now - 1)
    assert joins(cloud, "late", late).status == 401
    assert token_for(cloud) and row(cloud, tables.join_tokens, token_hash=hosts.digest(late)) is None


def test_a_token_that_names_a_node_replaces_it_and_nobody_else_uses_it(cloud: Tenants) -> None:
    """Finding S18: how an operator brings back a node that has lost its secret."""
    first = joins(cloud, "lost", token_for(cloud)).json
    token = token_for(cloud, "lost")
    assert joins(cloud, "thief", token).status == 401
    again = joins(cloud, "lost", token).json
    assert again["link_id"] == first["link_id"]
    old = Evil(cloud, first["link_id"], first["secret"])
    assert old.ask("POST", "/v1/heartbeat", {}).status == 401
    assert Evil(cloud, again["link_id"], again["secret"]).ask("POST", "/v1/heartbeat", {}).status == 204


def test_a_node_joins_again_with_its_secret_which_changes_each_time(cloud: Tenants) -> None:
    """Finding S18. The secret before is good for joining alone until the new one is used: an answer may get lost."""
    made = joins(cloud, "again", token_for(cloud)).json

    def shown(joined: Any) -> dict[str, str]:
        return {"x-cumulet-link": joined["link_id"], "x-cumulet-secret": joined["secret"]}

    lost = joins(cloud, "again", **shown(made)).json
    assert lost["secret"] != made["secret"]
    assert Evil(cloud, made["link_id"], made["secret"]).ask("POST", "/v1/heartbeat", {}).status == 401
    second = joins(cloud, "again", **shown(made)).json
    assert joins(cloud, "again", **shown(lost)).status == 401
    assert joins(cloud, "sim", **shown(second)).status == 401
    assert Evil(cloud, second["link_id"], second["secret"]).ask("POST", "/v1/heartbeat", {}).status == 204
    assert joins(cloud, "again", **shown(made)).status == 401
    assert joins(cloud, "again", **shown(second)).status == 200


def test_a_refused_join_changes_nothing(cloud: Tenants) -> None:
    """Finding S18: the token stays good when what came with it was wrong."""
    token = token_for(cloud)
    taken = [{**FACTS, "hostname": "sim-0001"}]
    assert joins(cloud, "careless", token, taken).status == 409
    assert joins(cloud, "careless", token, [FACTS, FACTS]).status == 400
    assert row(cloud, tables.links, name="careless") is None
    assert joins(cloud, "careless", token, [{**FACTS, "hostname": "careless-1"}]).status == 200


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "-a", "x" * 256, "a\x1b[2J", "é"])
def test_names_of_nodes_are_names(cloud: Tenants, name: str) -> None:
    """Finding S18: what is no name is refused before a token is used up, and cannot be asked a token for."""
    token = token_for(cloud)
    assert joins(cloud, name, token).status == 401
    assert joins(cloud, f"named-{new_id()[:8]}", token).status == 200
    answer = cloud.ask("link", "POST", "/v1/tokens", body={"name": name}, headers=operator(cloud))
    assert answer.status == 400


# ---- the operator


def test_the_operators_rights_are_apart(cloud: Tenants, evil: Evil) -> None:
    """Finding S18: neither a token to join with nor a node's secret opens what is the operator's; his secret opens no
    node's operation, and lies in a file that only the controller's user reads."""
    token = token_for(cloud)
    for path, method in (("/v1/status", "GET"), ("/v1/explain/x", "GET"), ("/v1/tokens", "POST")):
        for bearer in ("", token, evil.secret, evil.link_id, cloud.secret("admin")):
            assert evil.ask(method, path, authorization=f"Bearer {bearer}").status == 401, (path, bearer)
    assert cloud.ask("link", "GET", "/v1/status", headers=operator(cloud)).status == 200
    secret = cloud.settings.secret("operator_secret")
    for headers in (operator(cloud), {"x-cumulet-link": "", "x-cumulet-secret": secret}):
        assert cloud.ask("link", "POST", "/v1/heartbeat", body={}, headers=headers).status == 401
    assert cloud.settings.secrets_dir.joinpath("operator_secret").stat().st_mode & 0o777 == 0o600


def test_every_operation_of_the_link_knows_its_caller_by_the_head(cloud: Tenants) -> None:
    """Finding S18: before a byte of the body is read, however long a stranger says that it is."""
    port = cloud.settings.ports.of("link")
    service = cloud.controller.app.mounts[port].service
    assert service.operations and all(operation.admit is not None for operation in service.operations)

    async def never() -> Any:
        raise AssertionError("the body was read")

    for operation in service.operations:
        answer: list[Any] = []

        async def send(message: Any, told: list[Any] = answer) -> None:
            told.append(message)

        path = operation.path.replace("{what}", "x").replace("{image_id}", new_id())
        headers = [(b"host", b"x"), (b"content-length", b"33554432"), (b"content-type", b"application/json")]
        scope = {
            "type": "http", "method": operation.method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "server": (LOOPBACK, port), "client": (LOOPBACK, 1), "scheme": "http",
        }  # fmt: skip
        cloud.runner.run(cloud.controller.app(scope, never, send))
        assert answer[0]["status"] == 401, operation.path


def test_the_link_never_leaves_the_machine(tmp_path: Path) -> None:
    """Finding S18: whatever `listen` says, as nothing that passes there is encrypted."""
    settings = Settings.resolve(tmp_path, {"listen": "0.0.0.0", "port_base": 21540}, {})
    opened = [sock for each in sockets(settings) for sock in each]
    try:
        found = {sock.getsockname()[1]: sock.getsockname()[0] for sock in opened}
    finally:
        for sock in opened:
            sock.close()
    assert {found[settings.ports.of(name)] for name in ("link", "metadata")} == {"127.0.0.1"}
    assert found[settings.ports.of("compute")] == "0.0.0.0"
    assert settings.local_url("link") == f"http://127.0.0.1:{settings.ports.of('link')}"


# ---- hosts and what they say


def test_a_link_has_only_hosts_of_its_own(cloud: Tenants, evil: Evil, caplog: pytest.LogCaptureFixture) -> None:
    """Finding S18: not another's host, not the name of another node, nor of one that is about to join."""
    token_for(cloud, "coming")
    for name in ("sim-0001", "sim", "coming"):
        with caplog.at_level(logging.WARNING, "cumulet.fleet"):
            answer = evil.ask("POST", "/v1/heartbeat", {"hosts": [{**FACTS, "hostname": name}]})
        assert answer.status == 409, answer.body
        assert name in caplog.text
        caplog.clear()
    assert row(cloud, tables.hosts, name="sim-0001").link_id == cloud.link_id
    own = f"host-{new_id()[:8]}"
    assert evil.ask("POST", "/v1/heartbeat", {"hosts": [{**FACTS, "hostname": own}]}).status == 204
    assert row(cloud, tables.hosts, name=own).link_id == evil.link_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"hostname": "a b"},
        {"hostname": ""},
        {"hostname": "x" * 300},
        {"hostname": "a\x1b[2Jb"},
        {"vcpus": -1},
        {"memory_mb": 2**31},
        {"disk_gb": 2**70},
        {"vcpus": 1.5},
        {"hypervisor_version": -5},
        {"tunnel_ip": "10.0.0.1 dev eth0"},
        {"tunnel_ip": "fe80::1%lo"},
        {"tunnel_ip": "224.0.0.1"},
        {"tunnel_ip": "0.0.0.0"},
        {"tunnel_ip": "255.255.255.255"},
        {"tunnel_ip": "١٠.0.0.1"},
        {"tunnel_ip": ""},
        {"roles": ["compute", "root"]},
        {"bridge_mappings": ["a\nb"]},
        {"bridge_mappings": ["x"] * 100},
        {"cpu_info": {"model": "x" * 100_000}},
        {"cpu_info": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}},
    ],
    ids=lambda wrong: json.dumps(wrong)[:40],
)
def test_facts_that_cannot_be_are_refused(cloud: Tenants, evil: Evil, wrong: dict[str, Any]) -> None:
    """Finding S8: an address that other hosts would send packets to, numbers that no column holds, odd names."""
    facts = {**FACTS, "hostname": f"host-{new_id()[:8]}", **wrong}
    answer = evil.ask("POST", "/v1/heartbeat", {"hosts": [facts]})
    assert answer.status == 400, answer.body
    assert row(cloud, tables.hosts, link_id=evil.link_id) is None
    assert joins(cloud, f"wrong-{new_id()[:8]}", token_for(cloud), [facts]).status == 400


def test_numbers_that_are_none_are_refused(evil: Evil) -> None:
    """Finding S8: NaN and infinity are no JSON."""
    for number in ("NaN", "Infinity", "-Infinity", "1e400"):
        body = f'{{"hosts": [{{"hostname": "nan", "vcpus": {number}, "memory_mb": 1, "disk_gb": 1}}]}}'.encode()
        assert evil.ask("POST", "/v1/heartbeat", body).status == 400, number


def test_sentences_of_a_node_move_no_cursor(cloud: Tenants, evil: Evil) -> None:
    """Finding S8: problems and notes are shown in the operator's terminal."""
    name = f"host-{new_id()[:8]}"
    facts = {**FACTS, "hostname": name, "problems": ["bad\x1b[2J\x07\r\n\u202edisk" * 1000] * 100, "notes": ["\x9b31m"]}
    assert evil.ask("POST", "/v1/heartbeat", {"hosts": [facts]}).status == 204
    answer = cloud.ask("link", "GET", "/v1/status", headers=operator(cloud))
    (node,) = [node for node in answer.json["nodes"] if node["host"] == name]
    assert len(node["problems"]) == 20 and all(text.isprintable() for text in node["problems"] + node["notes"])
    assert all(len(text) <= 1000 for text in node["problems"])
    evil.ask("POST", "/v1/heartbeat", {"hosts": [{**facts, "problems": []}]})


def test_a_tunnel_address_is_told_in_one_spelling(cloud: Tenants, evil: Evil) -> None:
    """Finding S8: peers are told what was parsed, not what was sent."""
    name = f"host-{new_id()[:8]}"
    facts = {**FACTS, "hostname": name, "tunnel_ip": "2001:DB8:0:0::7"}
    assert evil.ask("POST", "/v1/heartbeat", {"hosts": [facts]}).status == 204
    assert row(cloud, tables.hosts, name=name).facts["tunnel_ip"] == "2001:db8::7"


# ---- what a node reads


def test_a_node_is_told_and_sent_only_what_it_carries(cloud: Tenants, evil: Evil) -> None:
    """Finding S8, case 48: desired state of its own link, images that guests on it boot from."""
    image_id = cloud.alice.image(b"alice's own" * 100)
    made = cloud.alice.server(image_id).json["server"]["id"]
    told = evil.ask("GET", "/v1/desired", query="since=0").json
    assert told.get("items", []) == [] and made not in json.dumps(told)
    assert evil.ask("GET", f"/v1/images/{image_id}/file").status == 404
    assert cloud.fetched(image_id).body == b"alice's own" * 100
    for kinds in ("", "nonsense", "guest,guest", "link"):
        assert evil.ask("GET", "/v1/desired", query=f"since=0&kinds={kinds}").json.get("items", []) == []
    for query in ("since=-1", f"since={2**80}", "since=x", "wait=-1", "wait=x"):
        assert evil.ask("GET", "/v1/desired", query=query).status == 400, query


def test_an_image_is_the_nodes_only_while_its_guest_is_there(cloud: Tenants) -> None:
    """Finding S8: the row of a deleted server stays for lists; what it booted from is no longer its host's to read."""
    image_id = cloud.alice.image(b"for a while" * 10)
    made = cloud.alice.server(image_id).json["server"]["id"]
    assert cloud.fetched(image_id).status == 200
    assert cloud.alice.ask("compute", "DELETE", f"/v2.1/servers/{made}").status == 204
    node = Evil(cloud, cloud.link_id, cloud.link_secret)
    told = node.ask("GET", "/v1/desired", query="since=0&kinds=guest").json
    (item,) = [item for item in told["items"] if item["ref"] == made]
    gone = {name: item[name] for name in ("host", "kind", "ref", "revision")}
    assert node.report(**gone, state="absent").json == {"kept": 1}
    assert cloud.alice.ask("compute", "GET", f"/v2.1/servers/{made}").status == 404
    assert cloud.fetched(image_id).status == 404


# ---- reports


def test_reports_count_only_from_whom_they_are_about(cloud: Tenants, evil: Evil) -> None:
    """Finding S8: another link's item, another host than the item's, things that there are not: no effect, no 500."""
    made = server(cloud)
    item = row(cloud, tables.desired, ref=made)
    right = {"host": item.host, "kind": "guest", "ref": made, "revision": item.revision, "state": "failed"}
    assert evil.report(**right, error="owned").json == {"kept": 0}
    node = Evil(cloud, cloud.link_id, cloud.link_secret)
    for change in (
        {"host": "evil-1"},
        {"host": ""},
        {"ref": new_id()},
        {"ref": "../../etc/passwd"},
        {"ref": "x" * 10_000},
        {"kind": "network"},
        {"revision": 2**80},
        {"revision": -1},
    ):
        answer = node.report(**{**right, **change})
        assert answer.status == 200 and answer.json == {"kept": 0}, (change, answer.body)
    for nonsense in ({"state": "owned"}, {"kind": "root"}, {"revision": "1"}, {"ref": None}, {"facts": []}):
        assert node.report(**{**right, **nonsense}).status == 400, nonsense
    many = [{**right, "ref": new_id()} for _ in range(5000)]
    assert node.ask("POST", "/v1/reports", {"reports": many}).json == {"kept": 0}
    assert row(cloud, tables.desired, ref=made) == item
    assert cloud.alice.get("compute", f"/v2.1/servers/{made}")["server"]["status"] == "BUILD"


def test_facts_of_a_report_are_its_kinds_and_nothing_else(cloud: Tenants) -> None:
    """Finding S8: a path in a report is dropped, and a number that is none makes the report none."""
    made = server(cloud)
    item = row(cloud, tables.desired, ref=made)
    right = {"host": item.host, "kind": "guest", "ref": made, "revision": item.revision, "state": "ready"}
    node = Evil(cloud, cloud.link_id, cloud.link_secret)
    for facts in (
        {"power_state": "root"},
        {"power_state": ["running"]},
        {"hard_reboots": "1"},
        {"hard_reboots": -1},
        {"soft_reboots": 2**40},
        {"screen": "/run/docker.sock"},
    ):
        answer = node.report(**right, facts=facts)
        assert (answer.status, answer.json) == (200, {"kept": 0}), facts
    told = {"power_state": "running", "screen": True, "vnc": "/run/docker.sock", "x": {"y": [1]}}
    assert node.report(**right, facts=told).json == {"kept": 1}
    assert row(cloud, tables.desired, ref=made).facts == {"power_state": "running", "screen": True}


def test_what_a_node_says_of_a_failure_is_harmless(cloud: Tenants) -> None:
    """Findings S8 and S14, case 40: its sentence is the fault that a tenant reads, its detail is the operator's."""
    made = server(cloud)
    item = row(cloud, tables.desired, ref=made)
    told = {
        "error": "no\x1b[2J room\r\nSet-Cookie: x" + "!" * 5000,
        "detail": "/var/lib/cumulet/node\x1b[0m\nx" * 2000,
    }
    right = {"host": item.host, "kind": "guest", "ref": made, "revision": item.revision, "state": "failed"}
    assert Evil(cloud, cloud.link_id, cloud.link_secret).report(**right, **told).json == {"kept": 1}
    shown = cloud.alice.get("compute", f"/v2.1/servers/{made}")["server"]
    assert shown["status"] == "ERROR"
    assert "details" not in shown["fault"] and "/var/lib" not in json.dumps(shown)
    assert shown["fault"]["message"].isprintable() and len(shown["fault"]["message"]) < 1200
    told = cloud.ask("link", "GET", f"/v1/explain/{made}", headers=operator(cloud)).json
    assert "/var/lib/cumulet/node" in json.dumps(told)
    kept = row(cloud, tables.desired, ref=made)
    assert kept.error.isprintable() and all(line.isprintable() for line in kept.detail.split("\n"))
    assert len(kept.detail) <= 8000


def test_a_flood_of_reports_leaves_a_line(cloud: Tenants) -> None:
    """Findings S8 and S14: each report that a node made up became a row for ever, two hundred thousand of a request."""
    made = server(cloud)
    item = row(cloud, tables.desired, ref=made)
    right = {"host": item.host, "kind": "guest", "ref": made, "revision": item.revision}
    node = Evil(cloud, cloud.link_id, cloud.link_secret)
    assert node.report(**right, state="ready", facts={"power_state": "running"}).json == {"kept": 1}

    def lines() -> list[str]:
        told = cloud.ask("link", "GET", f"/v1/explain/{made}", headers=operator(cloud)).json
        return [entry["message"] for entry in told["subjects"][0]["timeline"]]

    before = len(lines())
    flood = [{**right, "state": "failed", "error": f"no {number}"} for number in range(3000)]
    assert node.ask("POST", "/v1/reports", {"reports": flood}).json == {"kept": 1}
    assert lines()[before:] == [f"{item.host}: no 2999"]
    for number in range(20):
        assert node.report(**right, state="failed", error=f"still no {number}").json == {"kept": 1}
        assert node.report(**right, state="ready", facts={"power_state": "running"}).json == {"kept": 1}
    assert lines()[before:] == [f"{item.host}: no 2999"]
    assert node.report(**right, state="failed", error="at last").json == {"kept": 1}
    assert row(cloud, tables.desired, ref=made).error == "at last"


def test_answers_count_only_for_ones_own_questions(cloud: Tenants, evil: Evil) -> None:
    """Finding S8: a job's id is not enough; an answer beyond any picture is none."""
    made = server(cloud)
    with cloud.controller.db.transaction() as tx:
        job = fleet.ask(tx, link_id=cloud.link_id, host="sim-0001", kind="console_log", args={"guest": made})
    forged = {"jobs": [{"id": job, "ok": True, "result": "Zm9yZ2Vk"}, {"id": "x\x1b", "ok": True}]}
    assert evil.ask("POST", "/v1/reports", forged).status == 200
    assert row(cloud, tables.jobs, id=job).state in ("waiting", "asked")
    node = Evil(cloud, cloud.link_id, cloud.link_secret)
    long = {"jobs": [{"id": job, "ok": True, "result": "A" * (25 << 20)}]}
    assert node.ask("POST", "/v1/reports", long).status == 200
    kept = row(cloud, tables.jobs, id=job)
    assert (kept.state, kept.result) == ("failed", "The answer is too long.")
    assert node.ask("POST", "/v1/reports", b"[" * (33 << 20)).status == 413


def test_nothing_of_it_makes_a_link_or_host(cloud: Tenants) -> None:
    """All that was refused above has left nothing behind."""
    with cloud.controller.db.read() as tx:
        names = {found.name for found in tx.rows(select(tables.links.c.name))}
    assert not names & {"thief", "late", "once-2", "other", "coming"}


def test_what_makes_no_sense_is_logged_once_and_bounded(evil: Evil, caplog: pytest.LogCaptureFixture) -> None:
    """Half a million things that cannot be, in one request: all other writes waited 22 s, and 69 MB were logged."""
    one = {"host": "", "kind": "guest", "ref": "x", "why": "hold"}
    many = evil.ask("POST", "/v1/kept", {"round": 1, "kept": [one] * 10_001, "last": True})
    assert many.status == 400, many.body
    with caplog.at_level(logging.WARNING):
        assert evil.ask("POST", "/v1/kept", {"round": 1, "kept": [one] * 10_000, "last": True}).status == 204
    told = [record.getMessage() for record in caplog.records if evil.link_id in record.getMessage()]
    assert len(told) == 1 and "10000 things" in told[0], told[:3]
