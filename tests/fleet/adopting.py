"""A cloud that loses its rows, with two nodes that remember; the tests of adoption play them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from cumulet.cli import state_folder
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item
from cumulet.desired.keeping import Keeping, Kept
from cumulet.desired.kinds import SPECS, Kind
from cumulet.fleet import door as fleet
from cumulet.fleet.model import clouds, desired, hosts, keeping
from cumulet.services.compute import door as compute
from cumulet.services.network import door as network
from tests.assembled import Answer, Assembled, mounted

KINDS: tuple[Kind, ...] = tuple(SPECS)
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
        with self.side.controller.db.transaction() as tx:
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
        mount = mounted(self.side.controller, "link")
        return mount.context.renderers

    def journals(self) -> Journal:
        """All that the nodes are told, after its way over the wire."""
        found: Journal = {}
        with self.side.controller.db.read() as tx:
            for name, link_id in self.links.items():
                told = desired.changes(tx, link_id, 0, KINDS, self.renderers)
                data = msgspec.json.encode([item for item in told.items if not item.gone])
                found[name] = msgspec.json.decode(data, type=list[Item])
        return found

    def keep(self, journal: Journal, cloud_id: str, *, why: Any = "hold") -> None:
        """The nodes say what they keep."""
        with self.side.controller.db.transaction() as tx:
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
    with cloud.side.controller.db.read() as tx:
        port_id = network.interfaces(tx, servers)[servers[0]][0].port_id
    cloud.call("network", "PUT", f"/v2.0/floatingips/{floating}", {"floatingip": {"port_id": port_id}})
    return {
        "net": net, "router": router, "group": group, "loose": loose["port"]["id"], "server": servers[0],
        "other": servers[1], "floating": floating, "port": port_id, "image": image_id, "outside": outside,
    }  # fmt: skip


def changed(journal: Journal, kind: str, **values: Any) -> Journal:
    """The journals with something else in the specs of a kind."""
    data = msgspec.json.decode(msgspec.json.encode(journal), type=Journal)
    for items in data.values():
        for item in items:
            if item.kind == kind:
                item.spec |= values
    return data
