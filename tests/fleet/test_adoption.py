"""Rows made of what nodes keep: the same ids, addresses and specs as before, and nothing of others."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import msgspec
import pytest

from cumulet.cli import link_client
from cumulet.cli.api_client import ApiError
from cumulet.cli.main import main
from cumulet.desired.items import Report
from cumulet.fleet import door as fleet
from cumulet.fleet.model import desired
from tests.assembled import mounted
from tests.fleet.adopting import KINDS, Cloud, Journal, changed, specs


def test_what_is_adopted_is_what_was(lost: Any, fresh: Cloud) -> None:
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    shown = fresh.operator("adopt", show=True)
    assert shown.status == 200, shown.body
    assert shown.json["left"] == [] and shown.json["foreign"]
    with fresh.side.controller.db.read() as tx:
        assert len(fleet.kept(tx)) == sum(map(len, journal.values())) and fleet.cloud(tx).id == fresh.cloud_id
    done = fresh.operator("adopt", seen=shown.json["seen"])
    assert done.status == 200 and done.json["adopted"] == shown.json["adopted"]
    assert specs(fresh.journals()) == specs(journal)
    with fresh.side.controller.db.read() as tx:
        assert (fleet.cloud(tx).id, fleet.kept(tx)) == (old.cloud_id, [])
        assert fleet.cloud(tx).epoch > 1
    again = fresh.operator("adopt")
    assert (again.json["adopted"], again.json["left"]) == ([], [])
    server = fresh.call("compute", "GET", f"/v2.1/servers/{ids['server']}")["server"]
    assert (server["status"], server["name"], server["metadata"]) == ("ACTIVE", "vm-0", {"role": "db"})
    before = old.call("compute", "GET", f"/v2.1/servers/{ids['server']}")["server"]["user_id"]
    assert server["user_id"] == before
    for noun, id in (("networks", ids["net"]), ("routers", ids["router"]), ("floatingips", ids["floating"])):
        then, now = (cloud.call("network", "GET", f"/v2.0/{noun}/{id}") for cloud in (old, fresh))
        for body in (*then.values(), *now.values()):
            for name in ("updated_at", "revision_number", "status", "port_details"):
                body.pop(name, None)
        assert now == then
    loose = fresh.call("network", "GET", f"/v2.0/ports/{ids['loose']}")["port"]
    assert (loose["name"], loose["dns_name"], loose["device_id"]) == ("kept", "k", "")
    foreign = fresh.side.ask("compute", "GET", f"/v2.1/servers/{ids['server']}", token=_stranger(fresh))
    assert foreign.status == 404
    used = fresh.call("compute", "GET", "/v2.1/limits")["limits"]["absolute"]
    assert used["totalInstancesUsed"] == 2


def _stranger(cloud: Cloud) -> str:
    """A token of a member of another project."""
    project = cloud.call("identity", "POST", "/v3/projects", {"project": {"name": "other"}}, admin=True)["project"][
        "id"
    ]
    user = {"name": "eve", "password": "correct horse battery"}
    user_id = cloud.call("identity", "POST", "/v3/users", {"user": user}, admin=True)["user"]["id"]
    roles = cloud.side.ask("identity", "GET", "/v3/roles", query="name=member", token=cloud.side.admin).json["roles"]
    path = f"/v3/projects/{project}/users/{user_id}/roles/{roles[0]['id']}"
    cloud.call("identity", "PUT", path, admin=True)
    return cloud.side.log_in("eve", user["password"], {"project": {"id": project}})


def test_what_was_adopted_can_be_deleted_and_nobody_gets_its_address(lost: Any, fresh: Cloud) -> None:
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    assert fresh.operator("adopt").status == 200
    taken = {address["ip_address"] for address in _ports(fresh, ids["net"])}
    new = fresh.call("network", "POST", "/v2.0/ports", {"port": {"network_id": ids["net"]}})["port"]
    assert new["fixed_ips"][0]["ip_address"] not in taken
    made = fresh.call("network", "POST", "/v2.0/networks", {"network": {"name": "later"}}, admin=True)["network"]
    number = fresh.call("network", "GET", f"/v2.0/networks/{ids['net']}", admin=True)["network"]
    assert made["provider:segmentation_id"] > number["provider:segmentation_id"]
    fresh.call("network", "DELETE", f"/v2.0/ports/{new['id']}")
    for server in (ids["server"], ids["other"]):
        fresh.call("compute", "DELETE", f"/v2.1/servers/{server}")
    _report_absent(fresh)
    fresh.call("network", "DELETE", f"/v2.0/floatingips/{ids['floating']}")
    fresh.call("network", "DELETE", f"/v2.0/ports/{ids['loose']}")
    subnet = fresh.call("network", "GET", f"/v2.0/networks/{ids['net']}")["network"]["subnets"][0]
    fresh.call("network", "PUT", f"/v2.0/routers/{ids['router']}/remove_router_interface", {"subnet_id": subnet})
    fresh.call("network", "DELETE", f"/v2.0/routers/{ids['router']}")
    fresh.call("network", "DELETE", f"/v2.0/networks/{ids['net']}")
    fresh.call("network", "DELETE", f"/v2.0/security-groups/{ids['group']}")
    assert [key for key in specs(fresh.journals()) if key[1] != "network" or key[2] == ids["net"]] == []
    usage = fresh.call("compute", "GET", "/v2.1/limits")["limits"]["absolute"]
    assert usage["totalInstancesUsed"] == 0


def _ports(cloud: Cloud, net: str) -> list[dict[str, str]]:
    answer = cloud.side.ask("network", "GET", "/v2.0/ports", query=f"network_id={net}", token=cloud.side.admin)
    return [address for port in answer.json["ports"] for address in port["fixed_ips"]]


def _report_absent(cloud: Cloud) -> None:
    """The nodes say that the deleted guests are gone."""
    context = mounted(cloud.side.controller, "link").context
    with cloud.side.controller.db.transaction() as tx:
        for link_id in cloud.links.values():
            told = desired.changes(tx, link_id, 0, ("guest",), cloud.renderers)
            reports = [
                Report(host=i.host, kind=i.kind, ref=i.ref, revision=i.revision, state="absent")
                for i in told.items
                if i.gone
            ]
            desired.keep_reports(tx, link_id, reports, context.reports)


NONSENSE: list[tuple[str, dict[str, Any]]] = [
    ("guest", {"name": "../../etc"}),
    ("guest", {"project_id": ""}),
    ("guest", {"vcpus": 10**9}),
    ("guest", {"display_name": "a\x00b"}),
    ("guest", {"name": "instance-7fffffff"}),
    ("network", {"segmentation_id": 2**40}),
    ("network", {"subnets": [{"id": str(uuid.uuid4()), "cidr": "10.0.0.1/8"}]}),
    ("router", {"routes": [{"destination": "x", "nexthop": "y"}]}),
    ("security_group", {"rules": [{"id": str(uuid.uuid4()), "direction": "ingress", "protocol": "; rm"}]}),
]


def test_a_spec_that_makes_no_sense_is_left(lost: Any, fresh: Cloud) -> None:
    old, _, journal = lost
    for kind, values in NONSENSE:
        fresh.keep(changed(journal, kind, **values), old.cloud_id)
        answer = fresh.operator("adopt", show=True)
        assert answer.status == 200, answer.body
        assert kind in {line["kind"] for line in answer.json["left"]}, values
        made = [line for line in answer.json["adopted"] if line["kind"] == kind]
        assert not made or kind == "network", values
        assert fresh.operator("adopt", seen="0" * 64).status == 409


def test_rows_that_are_there_stay_as_they_are(lost: Any, fresh: Cloud) -> None:
    """A node that lies about another project's network, server or address gets none of them."""
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    assert fresh.operator("adopt").status == 200
    before = specs(fresh.journals())
    lies = msgspec.json.decode(msgspec.json.encode(journal), type=Journal)
    for items in lies.values():
        for item in items:
            if item.kind == "guest" and item.ref == ids["server"]:
                item.ref = str(uuid.uuid4())
                item.spec |= {"id": item.ref, "project_id": "e" * 32, "name": "instance-00000077", "record": None}
                item.spec["ports"][0] |= {"port_id": str(uuid.uuid4()), "mac": "fa:16:3e:00:00:77"}
            elif item.kind in ("network", "router", "security_group"):
                item.spec |= {"mtu": 1300} if item.kind == "network" else {"rules": []} if "rules" in item.spec else {}  # type: ignore[dict-item]
    with fresh.side.controller.db.read() as tx:
        own = fleet.cloud(tx).id
    fresh.keep(lies, own, why="strange")
    done = fresh.operator("adopt").json
    assert {line["note"] for line in done["left"] if line["kind"] == "guest"} == {
        f"server {ids['other']} has a row",
        f"network {ids['net']} is another project's",
    }
    assert done["adopted"] == []
    assert specs(fresh.journals()) == before


def test_journals_of_an_earlier_release_are_adopted_under_made_up_names(lost: Any, fresh: Cloud) -> None:
    old, ids, journal = lost
    plain = msgspec.json.decode(msgspec.json.encode(journal), type=Journal)
    for items in plain.values():
        for item in items:
            item.spec = _without_records(item.spec)
    fresh.keep(plain, old.cloud_id)
    done = fresh.operator("adopt")
    assert done.status == 200 and done.json["left"] == [], done.body
    now = {key: _without_records(spec) for key, spec in specs(fresh.journals()).items()}
    unknown = ("floating_ips", "config_drive", "members")  # what these say hangs on what a record told
    for key, spec in specs(plain).items():
        for part in (spec, now[key]):
            for name in unknown:
                part.pop(name, None)
        assert now[key] == spec
    made = fresh.call("network", "GET", f"/v2.0/networks/{ids['net']}", admin=True)["network"]
    assert made["name"] == f"adopted-{ids['net'][:8]}"


def _without_records(value: Any) -> Any:
    if isinstance(value, dict):
        gone = ("record", "description")
        return {name: _without_records(each) for name, each in value.items() if name not in gone}
    return [_without_records(each) for each in value] if isinstance(value, list) else value


def test_forgetting_is_an_act(lost: Any, fresh: Cloud) -> None:
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    assert fresh.operator("forget", ids=[str(uuid.uuid4())]).status == 400
    shown = fresh.operator("forget", ids=[ids["server"]], show=True).json
    assert [line["id"] for line in shown["forgotten"]] == [ids["server"]]
    assert shown["forgotten"][0]["name"] == "vm-0"
    with fresh.side.controller.db.read() as tx:
        before = len(fleet.kept(tx))
    assert fresh.operator("forget", ids=[ids["server"]], seen="0" * 64).status == 409
    assert fresh.operator("forget", ids=[ids["server"]], seen=shown["seen"]).status == 200
    with fresh.side.controller.db.read() as tx:
        assert len(fleet.kept(tx)) == before - 2  # its port goes with it
        tombs = [i for link in fresh.links.values() for i in desired.changes(tx, link, 0, KINDS, fresh.renderers).items]
    assert [(item.ref, item.gone) for item in tombs if item.kind == "guest"] == [(ids["server"], True)]
    refused = fresh.side.ask("link", "POST", "/v1/adopt", body={}, headers={"authorization": "Bearer no"})
    assert refused.status == 401


def test_the_verbs_show_ask_and_say_what_came_of_it(
    lost: Any, fresh: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)

    def ask(settings: Any, method: str, path: str, body: Any = b"", timeout: float = 0) -> Any:
        if method == "POST":
            answer = fresh.operator(path, **body)
        else:
            head = {"authorization": f"Bearer {fresh.secret}"}
            answer = fresh.side.ask("link", "GET", f"/v1/{path}", headers=head)
        if answer.status >= 300:
            raise ApiError(answer.json["errors"][0]["detail"], answer.status)
        return answer.json

    monkeypatch.setattr(link_client, "_ask", ask)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    state = ["--state", str(fresh.side.settings.state)]
    assert main(["adopt", *state]) == 1
    said = capsys.readouterr()
    assert "vm-0 on host-" in said.out and "of demo" in said.out
    assert "say --yes" in said.err
    assert main(["adopt", "--json", *state]) == 0
    assert {line["id"] for line in json.loads(capsys.readouterr().out)["adopted"]} > set(ids.values()) - {
        ids["image"], ids["port"], ids["loose"]
    }  # fmt: skip
    assert main(["forget", *state]) == 1 and main(["forget", ids["other"], *state]) == 1
    assert main(["forget", str(uuid.uuid4()), "--yes", *state]) == 1
    assert "no node keeps" in capsys.readouterr().err
    assert main(["forget", ids["other"], "--yes", *state]) == 0
    assert main(["adopt", "--yes", *state]) == 0
    assert "1 guest," in capsys.readouterr().out
    assert main(["forget", "--all", *state]) == 0
    assert "Nothing is kept" in capsys.readouterr().out
