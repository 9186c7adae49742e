"""The network service over real HTTP, with a network host and a compute host in its fleet."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Changes
from cumulet.engine import tables as _engine_tables  # noqa: F401 - declares its tables
from cumulet.fleet.model import hosts
from cumulet.fleet.model.desired import changes
from cumulet.services.network import door
from cumulet.services.network.api import load
from cumulet.services.network.context import NetworkContext
from tests.services.serving import Running, caller, running

Json = dict[str, Any]


def collection(noun: str) -> str:
    """The path of a noun's collection."""
    return f"{noun.replace('_', '-')}s"


@dataclass
class Cloud:
    """A running network service; `links` are the link ids of the network host and of the compute host."""

    running: Running
    links: list[str]
    numbers: Iterator[int]

    @property
    def db(self) -> Any:
        return self.running.db

    def client(self, token: str = "demo") -> httpx.Client:
        return self.running.client(token)

    def call(self, method: str, path: str, body: Any = None, token: str = "demo", status: int | None = None) -> Any:
        with self.client(token) as client:
            answer = client.request(method, f"/v2.0/{path}", json=body)
        if status is not None:
            assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def make(self, noun: str, token: str = "demo", **values: Any) -> Json:
        """Create a resource and return it."""
        found: Json = self.call("POST", collection(noun), {noun: values}, token, 201)[noun]
        return found

    def change(self, noun: str, id: str, token: str = "demo", **values: Any) -> Json:
        """Change a resource and return it."""
        found: Json = self.call("PUT", f"{collection(noun)}/{id}", {noun: values}, token, 200)[noun]
        return found

    def show(self, noun: str, id: str, token: str = "demo") -> Json:
        """The resource as the caller sees it."""
        found: Json = self.call("GET", f"{collection(noun)}/{id}", None, token, 200)[noun]
        return found

    def found(self, noun: str, query: str, token: str = "demo") -> list[Json]:
        """The resources of a list."""
        found: list[Json] = self.call("GET", f"{collection(noun)}?{query}", None, token, 200)[f"{noun}s"]
        return found

    def refused(self, method: str, path: str, body: Any, status: int, token: str = "demo") -> Json:
        """The error of a request that must fail with `status`."""
        found: Json = self.call(method, path, body, token, status)["NeutronError"]
        assert set(found) == {"type", "message", "detail"}
        return found

    def fault(self, method: str, path: str, body: Any, status: int, token: str = "demo") -> tuple[str, str]:
        """Type and message of the error of a request that must fail with `status`."""
        error = self.refused(method, path, body, status, token)
        return error["type"], error["message"]

    def network(self, token: str = "demo", cidr: str = "", **values: Any) -> tuple[Json, Json]:
        """A network with one subnet."""
        number = next(self.numbers)
        network = self.make("network", token, name=f"net{number}", **values)
        wanted = cidr or f"10.{number // 250}.{number % 250}.0/24"
        return network, self.make("subnet", token, network_id=network["id"], ip_version=4, cidr=wanted)

    def default_group(self) -> Json:
        """The group ``default`` of demo's project."""
        (group,) = self.found("security_group", "name=default&project_id=" + "d" * 32)
        return group

    def external(self) -> tuple[Json, Json]:
        """An external network with a small pool; made once."""
        found = self.call("GET", "networks?router:external=true&name=public", None, "admin")["networks"]
        if found:
            subnets = self.call("GET", f"subnets?network_id={found[0]['id']}", None, "admin")["subnets"]
            return found[0], subnets[0]
        physical = {"provider:network_type": "flat", "provider:physical_network": "public", "router:external": True}
        network = self.make("network", "admin", name="public", **physical)
        pools = [{"start": "172.24.4.100", "end": "172.24.4.200"}]
        range_ = {"cidr": "172.24.4.0/24", "gateway_ip": "172.24.4.1", "allocation_pools": pools}
        subnet = self.make("subnet", "admin", network_id=network["id"], ip_version=4, enable_dhcp=False, **range_)
        return network, subnet

    def routed(self) -> tuple[Json, Json, Json, Json]:
        """A router between the external network and one of demo's: (router, network, subnet, external)."""
        external, _ = self.external()
        network, subnet = self.network()
        router = self.make("router", name="r", external_gateway_info={"network_id": external["id"]})
        path = f"routers/{router['id']}/add_router_interface"
        self.call("PUT", path, {"subnet_id": subnet["id"]}, status=200)
        return router, network, subnet, external

    def plug(
        self, networks: Any, server: str = "", groups: tuple[str, ...] = (), token: str = "demo"
    ) -> list[door.PluggedPort]:
        """Give a server ports on the compute host, as compute does."""
        with self.db.transaction() as tx:
            return door.plug_server(
                tx,
                caller(token),
                server_id=server or str(uuid.uuid4()),
                host="cpu-host",
                link_id=self.links[1],
                availability_zone="nova",
                hostname="Web_1",
                networks=networks,
                security_groups=groups,
            )

    def wanted(self, link: int, since: int = 0) -> Changes:
        """What the link's node is told."""
        with self.db.read() as tx:
            return changes(tx, self.links[link], since, ("network", "router", "security_group"), door.RENDERERS)

    def item(self, link: int, kind: str, ref: str) -> Any:
        """The item of the link, None when it is not there or shall go."""
        for item in self.wanted(link).items:
            if item.kind == kind and item.ref == ref:
                return item.spec
        return None

    def clear(self, project: str) -> None:
        """Give the project as much quota as it likes."""
        names = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")
        self.call("PUT", f"quotas/{project}", {"quota": dict.fromkeys(names, -1)}, "admin", 200)


@pytest.fixture(scope="session")
def _cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder: Path = tmp_path_factory.mktemp("network")
    with running(load(), NetworkContext(), folder / "network.db") as found:
        with found.db.transaction() as tx:
            size: dict[str, Any] = {"vcpus": 8, "memory_mb": 8192, "disk_gb": 100}
            one = HostFacts(hostname="net-host", tunnel_ip="10.255.0.1", **size)
            two = HostFacts(hostname="cpu-host", tunnel_ip="10.255.0.2", roles=["compute"], **size)
            links = [hosts.join(tx, "one", [one])[0], hosts.join(tx, "two", [two])[0]]
            door.hosts_changed(tx, ["net-host", "cpu-host"])
        yield Cloud(found, links, itertools.count(1))


@pytest.fixture
def cloud(_cloud: Cloud) -> Cloud:
    for project in ("d" * 32, "0" * 32, "a" * 32):
        _cloud.clear(project)
    return _cloud
