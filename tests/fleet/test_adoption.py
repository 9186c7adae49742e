"""Rows made of what nodes keep: the same ids, addresses and specs as before, and nothing of others."""

from __future__ import annotations

import io
import ipaddress
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.cli import link_client, state_folder
from cumulet.cli.api_client import ApiError
from cumulet.cli.main import main
from cumulet.desired.shapes import HostFacts, Item, Keeping, Kept, Report, Seen
from cumulet.fleet import door as fleet
from cumulet.fleet.model import clouds, desired, hosts, keeping
from cumulet.fleet.model.adoption import Adoption
from cumulet.services.compute import door as compute
from cumulet.services.network import door as network
from tests.assembled import Answer, Assembled

KINDS = ("network", "security_group", "router", "guest")
Journal = dict[str, list[Item]]
"""What each link remembers."""


class Cloud:
    """An assembled cloud with two nodes, whose part this test plays."""

    def __init__(self, folder: Path, secrets: Path | None = None) -> None:
        if secrets is not None:
            state_folder.create(folder)
            shutil.copytree(secrets, folder / "secrets", dirs_exist_ok=True)
        self.side = Assembled(folder)
        self.links: dict[str, str] = {}
        with self.side.controller.store.transaction() as tx:
            if clouds.current(tx) is None:
                clouds.start(tx)
            self.cloud_id = fleet.cloud(tx).id
            for number, name in enumerate(("one", "two")):
                facts = HostFacts(
                    hostname=f"host-{name}", vcpus=8, memory_mb=8192, disk_gb=100, tunnel_ip=f"10.255.0.{number + 1}",
                    roles=["compute", "network"] if name == "one" else ["compute"], bridge_mappings=["provider"],
                )  # fmt: skip
                self.links[name] = hosts.join(tx, name, [facts])[0]
            names = ["host-one", "host-two"]
            compute.hosts_changed(tx, names)
            network.hosts_changed(tx, names)

    def call(
        self, service: str, method: str, path: str, body: Any = b"", *, admin: bool = False, status: int = 0
    ) -> Any:
        token = self.side.admin if admin else self.side.member
        answer = self.side.ask(service, method, path, body=body, token=token)
        assert answer.status == status or (not status and answer.status < 300), (path, answer.body)
        return answer.json if answer.body else None

    def operator(self, path: str, **body: Any) -> Answer:
        head = {"authorization": f"Bearer {self.secret}"}
        return self.side.ask("link", "POST", f"/v1/{path}", body=body, headers=head)

    @property
    def secret(self) -> str:
        return (self.side.settings.secrets_dir / "operator_secret").read_text().strip()

    @property
    def renderers(self) -> Any:
        mount = self.side.controller.app.mounts[self.side.settings.ports.of("link")]
        return mount.context.renderers

    def journals(self) -> Journal:
        """All that the nodes are told, after its way over the wire."""
        found: Journal = {}
        with self.side.controller.store.read() as tx:
            for name, link_id in self.links.items():
                told = desired.changes(tx, link_id, 0, KINDS, self.renderers)
                data = msgspec.json.encode([item for item in told.items if not item.gone])
                found[name] = msgspec.json.decode(data, type=list[Item])
        return found

    def keep(self, journal: Journal, cloud_id: str, *, why: Any = "hold") -> None:
        """The nodes say what they keep."""
        with self.side.controller.store.transaction() as tx:
            for name, items in journal.items():
                runs = {"power_state": "running"}
                kept = [
                    Kept(
                        host=item.host, kind=item.kind, ref=item.ref, why=why, cloud_id=cloud_id, epoch=1,
                        revision=item.revision, item=item, facts=runs if item.kind == "guest" else {},
                    )
                    for item in items
                ]  # fmt: skip
                keeping.keep(tx, self.links[name], Keeping(round=tx.now, kept=kept, last=True))

    def close(self) -> None:
        self.side.close()


def specs(journal: Journal) -> dict[tuple[str, str, str], Any]:
    return {(name, item.kind, item.ref): item.spec for name, items in journal.items() for item in items}


def furnished(cloud: Cloud) -> dict[str, str]:
    """A network with a router, servers on both hosts, a port and a floating IP of demo's; the ids."""
    physical = {"provider:network_type": "flat", "provider:physical_network": "provider", "router:external": True}
    outer = cloud.call("network", "POST", "/v2.0/networks", {"network": {"name": "provider", **physical}}, admin=True)
    outside = outer["network"]["id"]
    body = {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False}
    cloud.call("network", "POST", "/v2.0/subnets", {"subnet": body}, admin=True)
    inner = cloud.call("network", "POST", "/v2.0/networks", {"network": {"name": "inner", "description": "mine"}})
    net = inner["network"]["id"]
    range_ = {"network_id": net, "ip_version": 4, "cidr": "10.1.0.0/24", "dns_nameservers": ["9.9.9.9"]}
    pools = [{"start": "10.1.0.10", "end": "10.1.0.99"}]
    subnet = cloud.call("network", "POST", "/v2.0/subnets", {"subnet": {**range_, "allocation_pools": pools}})["subnet"]
    router = cloud.call("network", "POST", "/v2.0/routers", {"router": {"name": "r"}})["router"]["id"]
    gateway = {"router": {"external_gateway_info": {"network_id": outside}}}
    cloud.call("network", "PUT", f"/v2.0/routers/{router}", gateway)
    cloud.call("network", "PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})
    group = cloud.call("network", "POST", "/v2.0/security-groups", {"security_group": {"name": "web"}})
    group = group["security_group"]["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 80}
    rule |= {"port_range_max": 80, "remote_group_id": group, "description": "from its own"}
    cloud.call("network", "POST", "/v2.0/security-group-rules", {"security_group_rule": rule})
    named = {"network_id": net, "name": "kept", "dns_name": "k", "security_groups": [group]}
    loose = cloud.call("network", "POST", "/v2.0/ports", {"port": named})
    flavor = {"name": "odd", "vcpus": 1, "ram": 64, "disk": 1, "id": "odd"}
    cloud.call("compute", "POST", "/v2.1/flavors", {"flavor": flavor}, admin=True)
    image = {"name": "tiny", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image_id = cloud.call("image", "POST", "/v2/images", image, admin=True)["id"]
    head = {"content-type": "application/octet-stream"}
    put = cloud.side.ask(
        "image", "PUT", f"/v2/images/{image_id}/file", body=b"bytes" * 99, token=cloud.side.admin, headers=head
    )
    assert put.status == 204, put.body
    servers = []
    for number in range(2):
        body = {"name": f"vm-{number}", "imageRef": image_id, "flavorRef": "odd", "networks": [{"uuid": net}]}
        body |= {"security_groups": [{"name": "web"}], "metadata": {"role": "db"}, "config_drive": number == 0}
        server = cloud.call("compute", "POST", "/v2.1/servers", {"server": {**body, "user_data": "aGk="}})
        servers.append(server["server"]["id"])
    body = {"floating_network_id": outside}
    floating = cloud.call("network", "POST", "/v2.0/floatingips", {"floatingip": body})["floatingip"]["id"]
    with cloud.side.controller.store.read() as tx:
        port_id = network.interfaces(tx, servers)[servers[0]][0].port_id
    cloud.call("network", "PUT", f"/v2.0/floatingips/{floating}", {"floatingip": {"port_id": port_id}})
    return {
        "net": net, "router": router, "group": group, "loose": loose["port"]["id"], "server": servers[0],
        "other": servers[1], "floating": floating, "port": port_id, "image": image_id, "outside": outside,
    }  # fmt: skip


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, dict[str, str], Journal]]:
    """A cloud, what is in it and its nodes' journals."""
    cloud = Cloud(tmp_path_factory.mktemp("lost") / "state")
    ids = furnished(cloud)
    yield cloud, ids, cloud.journals()
    cloud.close()


@pytest.fixture
def fresh(lost: tuple[Cloud, dict[str, str], Journal], tmp_path: Path) -> Iterator[Cloud]:
    """The same cloud with an empty database."""
    found = Cloud(tmp_path / "state", lost[0].side.settings.secrets_dir)
    yield found
    found.close()


def test_what_is_adopted_is_what_was(lost: Any, fresh: Cloud) -> None:
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    shown = fresh.operator("adopt", show=True)
    assert shown.status == 200, shown.body
    assert shown.json["left"] == [] and shown.json["foreign"]
    with fresh.side.controller.store.read() as tx:
        assert len(fleet.kept(tx)) == sum(map(len, journal.values())) and fleet.cloud(tx).id == fresh.cloud_id
    done = fresh.operator("adopt", seen=shown.json["seen"])
    assert done.status == 200 and done.json["adopted"] == shown.json["adopted"]
    assert specs(fresh.journals()) == specs(journal)
    with fresh.side.controller.store.read() as tx:
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
    context = cloud.side.controller.app.mounts[cloud.side.settings.ports.of("link")].context
    with cloud.side.controller.store.transaction() as tx:
        for link_id in cloud.links.values():
            told = desired.changes(tx, link_id, 0, ("guest",), cloud.renderers)
            reports = [
                Report(host=i.host, kind=i.kind, ref=i.ref, revision=i.revision, state="absent")
                for i in told.items
                if i.gone
            ]
            desired.keep_reports(tx, link_id, reports, context.reports)


def _changed(journal: Journal, kind: str, **values: Any) -> Journal:
    """The journals with something else in the specs of a kind."""
    data = msgspec.json.decode(msgspec.json.encode(journal), type=Journal)
    for items in data.values():
        for item in items:
            if item.kind == kind:
                item.spec |= values
    return data


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
        fresh.keep(_changed(journal, kind, **values), old.cloud_id)
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
                item.spec["interfaces"][0] |= {"port_id": str(uuid.uuid4()), "mac": "fa:16:3e:00:00:77", "record": None}
            elif item.kind in ("network", "router", "security_group"):
                item.spec |= {"mtu": 1300} if item.kind == "network" else {"rules": []} if "rules" in item.spec else {}
    with fresh.side.controller.store.read() as tx:
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
    with fresh.side.controller.store.read() as tx:
        before = len(fleet.kept(tx))
    assert fresh.operator("forget", ids=[ids["server"]], seen="0" * 64).status == 409
    assert fresh.operator("forget", ids=[ids["server"]], seen=shown["seen"]).status == 200
    with fresh.side.controller.store.read() as tx:
        assert len(fleet.kept(tx)) == before - 1
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


def test_one_node_cannot_make_the_cloud_another(lost: Any, fresh: Cloud) -> None:
    """A node that was taken over says that it keeps things of some cloud. An operator who adopts or forgets something
    else does not thereby hand the others' cloud to that id: they would take nothing from this controller any more."""
    _, _, journal = lost
    foreign = str(uuid.uuid4())
    with fresh.side.controller.store.transaction() as tx:
        hosts.seen(tx, fresh.links["one"], Seen(cloud_id=fresh.cloud_id, epoch=1, revision=1))
    fresh.keep({"one": journal["one"][:1]}, fresh.cloud_id, why="strange")
    fresh.keep({"two": journal["two"]}, foreign, why="strange")
    mine = journal["one"][0].ref
    for verb, wish in (("adopt", {}), ("forget", {"ids": [mine]}), ("forget", {})):
        answer = fresh.operator(verb, **wish)
        assert answer.status == 400 and "--cloud" in answer.body.decode(), answer.body
        with fresh.side.controller.store.read() as tx:
            assert fleet.cloud(tx).id == fresh.cloud_id
    assert fresh.operator("forget", ids=[mine], cloud=fresh.cloud_id).status == 200
    with fresh.side.controller.store.read() as tx:
        assert fleet.cloud(tx).id == fresh.cloud_id


def test_a_private_image_is_not_read_through_a_guest_that_a_node_made_up(lost: Any, fresh: Cloud) -> None:
    """A node says that it keeps a guest of its friend's that boots from another project's private image. The guest is
    adopted, but the node does not get the image for it."""
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    assert fresh.operator("adopt").status == 200
    image = {"name": "secret", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
    private = fresh.call("image", "POST", "/v2/images", image, admin=True)["id"]
    head = {"content-type": "application/octet-stream"}
    path = f"/v2/images/{private}/file"
    assert fresh.side.ask("image", "PUT", path, body=b"secret", token=fresh.side.admin, headers=head).status == 204
    context = fresh.side.controller.app.mounts[fresh.side.settings.ports.of("link")].context
    with fresh.side.controller.store.read() as tx:
        own = fleet.cloud(tx).id
    real = next(item for item in journal["one"] + journal["two"] if item.ref == ids["server"])
    for number, where in enumerate(("id", "kernel", "ramdisk")):
        lie = msgspec.json.decode(msgspec.json.encode(real), type=Item)
        loose = {"id": private, "size": 6, "os_hash_value": "0" * 128}
        lie.ref = str(uuid.uuid4())
        lie.spec |= {"id": lie.ref, "name": f"instance-0000007{number}", "interfaces": []}
        lie.spec["image"] |= {"id": private} if where == "id" else {where: loose}
        lie.host = "host-two"
        fresh.keep({"two": [lie]}, own, why="strange")
        done = fresh.operator("adopt").json
        assert [(line["kind"], line["id"]) for line in done["adopted"] if line["kind"] == "guest"] == [
            ("guest", lie.ref)
        ], done
        with fresh.side.controller.store.read() as tx:
            assert context.image_path(tx, fresh.links["two"], private) is None, where


def test_ten_thousand_things_are_looked_at_once_each(fresh: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node may say that it keeps tens of thousands of things: the transaction that adopts them holds up every other
    write, so none of them may be compared with all others."""
    looks = {"lists": 0, "overlaps": 0}
    of_kind, overlaps = Adoption.of_kind, ipaddress.IPv4Network.overlaps

    def counted_list(self: Adoption, kind: Any) -> Any:
        looks["lists"] += 1
        return of_kind(self, kind)

    def counted_overlap(self: Any, other: Any) -> Any:
        looks["overlaps"] += 1
        return overlaps(self, other)

    monkeypatch.setattr(Adoption, "of_kind", counted_list)
    monkeypatch.setattr(ipaddress.IPv4Network, "overlaps", counted_overlap)
    items = [_net(number) for number in range(200)] + [_group() for _ in range(200)]
    fresh.keep({"two": items}, fresh.cloud_id, why="strange")
    shown = fresh.operator("adopt", show=True).json
    kinds = [line["kind"] for line in shown["adopted"]]
    assert (kinds.count("network"), kinds.count("subnet"), kinds.count("security_group")) == (200, 400, 200)
    assert looks["lists"] < 50 and looks["overlaps"] < 400, looks


def _net(number: int) -> Item:
    id, owner = str(uuid.uuid4()), {"owner": {"id": "e" * 32, "name": "p"}, "name": f"n{number}"}
    cidrs = [f"10.{number}.0.0/24", f"10.{number}.0.128/25", f"10.{number}.1.0/24", f"10.{number}.0.0/23"]
    nets = [{"id": str(uuid.uuid4()), "cidr": cidr, "ip_version": 4, "enable_dhcp": False} for cidr in cidrs]
    spec = {"id": id, "kind": "vxlan", "segmentation_id": number + 1, "mtu": 1450, "subnets": nets, "record": owner}
    return Item(host="", kind="network", ref=id, revision=1, spec=spec)


def _group() -> Item:
    id = str(uuid.uuid4())
    return Item(host="", kind="security_group", ref=id, revision=1, spec={"id": id, "rules": [], "members": []})


def test_it_is_said_where_nodes_do_not_agree(lost: Any, fresh: Cloud) -> None:
    """The newest word counts, and a node that was taken over may say that its word is: so it is shown whose was taken
    of a group whose rules are others elsewhere."""
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    agreed = fresh.operator("adopt", show=True).json
    assert not [line for line in agreed["adopted"] if "different" in line["note"]]
    lies = _changed({"two": journal["two"]}, "security_group", rules=[])
    for item in lies["two"]:
        item.revision += 1000
    fresh.keep({"one": journal["one"], **lies}, old.cloud_id)
    shown = fresh.operator("adopt", show=True).json
    notes = {line["id"]: line["note"] for line in shown["adopted"] if "different" in line["note"]}
    assert notes == {ids["group"]: "nodes say different things of it; host-two the newest"}


def test_what_a_new_project_owns_follows_its_id(lost: Any, fresh: Cloud) -> None:
    """Who uses the empty cloud before somebody adopts finds their images and limits afterwards."""
    old, _, journal = lost
    image = {"name": "mine", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
    mine = fresh.call("image", "POST", "/v2/images", image)["id"]
    answer = fresh.side.ask("identity", "GET", "/v3/projects", query="name=demo", token=fresh.side.admin)
    before = answer.json["projects"][0]["id"]
    limit = {"quota_set": {"instances": 77}}
    fresh.call("compute", "PUT", f"/v2.1/os-quota-sets/{before}", limit, admin=True)
    fresh.call("network", "PUT", f"/v2.0/quotas/{before}", {"quota": {"port": 88}}, admin=True)
    fresh.keep(journal, old.cloud_id)
    assert fresh.operator("adopt").status == 200
    _log_in_again(fresh)
    found = fresh.side.ask("identity", "GET", "/v3/projects", query="name=demo", token=fresh.side.admin).json
    (after,) = (each["id"] for each in found["projects"])
    assert after != before
    assert fresh.call("image", "GET", f"/v2/images/{mine}")["owner"] == after
    assert fresh.call("compute", "GET", f"/v2.1/os-quota-sets/{after}")["quota_set"]["instances"] == 77
    assert fresh.call("network", "GET", f"/v2.0/quotas/{after}", admin=True)["quota"]["port"] == 88


def test_a_node_makes_nobody_of_a_directory_and_no_project_a_domain(lost: Any, fresh: Cloud) -> None:
    """A user with an id that a directory's users have would be who logs in from there later; a domain is a domain."""
    old, _, journal = lost
    lies = msgspec.json.decode(msgspec.json.encode(journal), type=Journal)
    answer = fresh.side.ask("identity", "GET", "/v3/projects", query="name=admin", token=fresh.side.admin)
    plain = answer.json["projects"][0]["id"]
    for items in lies.values():
        for item in items:
            if item.kind == "guest":
                item.spec |= {"user_id": "d" * 64, "project_id": "c" * 32, "interfaces": []}
                item.spec["record"]["user"] = {"id": "d" * 64, "name": "admin"}
                item.spec["record"]["project"] = {"id": "c" * 32, "name": "new", "domain_id": plain}
    fresh.keep(lies, old.cloud_id)
    done = fresh.operator("adopt")
    _log_in_again(fresh)
    assert done.status == 200 and not [line for line in done.json["adopted"] if line["kind"] == "user"]
    assert fresh.side.ask("identity", "GET", f"/v3/users/{'d' * 64}", token=fresh.side.admin).status == 404
    made = fresh.call("identity", "GET", f"/v3/projects/{'c' * 32}", admin=True)["project"]
    assert made["domain_id"] == "default"


def test_it_is_said_what_is_added_to_a_network_that_is_there(lost: Any, fresh: Cloud) -> None:
    """A node may say that somebody's network has one more subnet, with a gateway of its own choice."""
    old, ids, journal = lost
    fresh.keep(journal, old.cloud_id)
    assert fresh.operator("adopt").status == 200
    more = {"id": str(uuid.uuid4()), "cidr": "10.66.0.0/24", "ip_version": 4, "gateway_ip": "10.66.0.9"}
    lie = next(item for item in _changed(journal, "network")["one"] if item.ref == ids["net"])
    lie.spec["subnets"].append({**more, "enable_dhcp": False})
    fresh.keep({"one": [lie]}, old.cloud_id, why="strange")
    lines = fresh.operator("adopt", show=True).json["adopted"]
    notes = [line["note"] for line in lines if line["id"] == more["id"]]
    assert notes == [f"10.66.0.0/24, added to network {ids['net']}, which has a row"]


def _log_in_again(cloud: Cloud) -> None:
    for name in ("admin", "member"):
        vars(cloud.side).pop(name, None)
