"""Adopting what a lying node says that it keeps: nobody gets what is another's, and where nodes differ is said."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any

import msgspec
import pytest

from cumulet.desired.clouds import Seen
from cumulet.desired.items import Item
from cumulet.fleet import door as fleet
from cumulet.fleet.model import hosts
from cumulet.fleet.model.adoption import Adoption
from tests.assembled import mounted
from tests.fleet.adopting import Cloud, Journal, changed


def test_one_node_cannot_make_the_cloud_another(lost: Any, fresh: Cloud) -> None:
    """A node that was taken over says that it keeps things of some cloud. An operator who adopts or forgets something
    else does not thereby hand the others' cloud to that id: they would take nothing from this controller any more."""
    _, _, journal = lost
    foreign = str(uuid.uuid4())
    with fresh.side.controller.db.transaction() as tx:
        hosts.seen(tx, fresh.links["one"], Seen(cloud_id=fresh.cloud_id, epoch=1, revision=1))
    fresh.keep({"one": journal["one"][:1]}, fresh.cloud_id, why="strange")
    fresh.keep({"two": journal["two"]}, foreign, why="strange")
    mine = journal["one"][0].ref
    for verb, wish in (("adopt", {}), ("forget", {"ids": [mine]}), ("forget", {})):
        answer = fresh.operator(verb, **wish)
        assert answer.status == 400 and "--cloud" in answer.body.decode(), answer.body
        with fresh.side.controller.db.read() as tx:
            assert fleet.cloud(tx).id == fresh.cloud_id
    assert fresh.operator("forget", ids=[mine], cloud=fresh.cloud_id).status == 200
    with fresh.side.controller.db.read() as tx:
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
    context = mounted(fresh.side.controller, "link").context
    with fresh.side.controller.db.read() as tx:
        own = fleet.cloud(tx).id
    real = next(item for item in journal["one"] + journal["two"] if item.ref == ids["server"])
    for number, where in enumerate(("id", "kernel", "ramdisk")):
        lie = msgspec.json.decode(msgspec.json.encode(real), type=Item)
        loose = {"id": private, "size": 6, "os_hash_value": "0" * 128}
        lie.ref = str(uuid.uuid4())
        lie.spec |= {"id": lie.ref, "name": f"instance-0000007{number}", "ports": []}
        lie.spec["image"] |= {"id": private} if where == "id" else {where: loose}
        lie.host = "host-two"
        fresh.keep({"two": [lie]}, own, why="strange")
        done = fresh.operator("adopt").json
        assert [(line["kind"], line["id"]) for line in done["adopted"] if line["kind"] == "guest"] == [
            ("guest", lie.ref)
        ], done
        with fresh.side.controller.db.read() as tx:
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
    lies = changed({"two": journal["two"]}, "security_group", rules=[])
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
                item.spec |= {"user_id": "d" * 64, "project_id": "c" * 32, "ports": []}
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
    lie = next(item for item in changed(journal, "network")["one"] if item.ref == ids["net"])
    lie.spec["subnets"].append({**more, "enable_dhcp": False})
    fresh.keep({"one": [lie]}, old.cloud_id, why="strange")
    lines = fresh.operator("adopt", show=True).json["adopted"]
    notes = [line["note"] for line in lines if line["id"] == more["id"]]
    assert notes == [f"10.66.0.0/24, added to network {ids['net']}, which has a row"]


def _log_in_again(cloud: Cloud) -> None:
    for name in ("admin", "member"):
        vars(cloud.side).pop(name, None)
