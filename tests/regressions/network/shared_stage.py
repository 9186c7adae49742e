"""A cloud with two tenants, networks that they share and two nodes, for the tests of who may what there."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.desired.hosts import HostFacts
from cumulet.fleet.model import hosts
from tests.assembled import Answer, Assembled

Json = dict[str, Any]
SECRET = "alice's own secret"
PASSWORD = "a long enough password"


class Stage:
    """A cloud with two tenants, a network that all share, an external one, and two nodes. `home` is the node that
    serves networks, `evil` one that has only joined: (link id, secret)."""

    def __init__(self, cloud: Assembled) -> None:
        self.cloud = cloud
        self.names = itertools.count()
        self.home, self.evil = self._join("home", ["compute", "network"]), self._join("evil", ["compute"])
        self.projects: dict[str, str] = {}
        self.tokens = {"admin": cloud.admin, "alice": self._tenant("alice"), "bob": self._tenant("bob")}
        self.shared, self.shared_subnet = self.network("admin", shared=True)
        self.provider, _ = self.network("admin", **{"router:external": True})
        flavor = {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}
        self.flavor = self.ask("compute", "POST", "/v2.1/flavors", {"flavor": flavor}, "admin", 200)["flavor"]["id"]
        image = {"name": "tiny", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        self.image = self.ask("image", "POST", "/v2/images", image, "admin", 201)["id"]
        data = {"content-type": "application/octet-stream"}
        token = cloud.admin
        path = f"/v2/images/{self.image}/file"
        assert cloud.ask("image", "PUT", path, token=token, body=b"\0" * 4096, headers=data).status == 204

    def _join(self, name: str, roles: list[str]) -> tuple[str, str]:
        facts = HostFacts(hostname=name, vcpus=64, memory_mb=65536, disk_gb=1000, tunnel_ip="10.255.0.1", roles=roles)
        controller = self.cloud.controller
        with controller.db.transaction() as tx:
            link = hosts.join(tx, name, [facts])
            for mount in controller.app.mounts.values():
                for changed in getattr(mount.context, "hosts_changed", ()):  # type: ignore[union-attr]
                    changed(tx, [name])
        return link

    def _tenant(self, name: str) -> str:
        project = {"project": {"name": name, "domain_id": "default"}}
        project_id = self.ask("identity", "POST", "/v3/projects", project, "", 201)["project"]["id"]
        user = {"user": {"name": name, "domain_id": "default", "password": PASSWORD}}
        user_id = self.ask("identity", "POST", "/v3/users", user, "", 201)["user"]["id"]
        role = self.ask("identity", "GET", "/v3/roles?name=member", None, "", 200)["roles"][0]["id"]
        path = f"/v3/projects/{project_id}/users/{user_id}/roles/{role}"
        assert self.cloud.ask("identity", "PUT", path, token=self.cloud.admin).status == 204
        self.projects[name] = project_id
        return self.cloud.log_in(name, PASSWORD, {"project": {"id": project_id}})

    # ---- asking

    def answer(self, service: str, method: str, path: str, body: Any = None, who: str = "bob") -> Answer:
        """What the caller is answered."""
        token = self.tokens[who] if who else self.cloud.admin
        path, _, query = path.partition("?")
        return self.cloud.ask(service, method, path, token=token, body=b"" if body is None else body, query=query)

    def ask(self, service: str, method: str, path: str, body: Any, who: str, status: int) -> Any:
        """The body of an answer that has this status."""
        answer = self.answer(service, method, path, body, who)
        assert answer.status == status, (method, path, answer.status, answer.body)
        return answer.json if answer.body else None

    def make(self, noun: str, who: str, **values: Any) -> Json:
        """A network resource of the caller's."""
        plural = {"security_group": "security-groups"}.get(noun, f"{noun}s")
        found: Json = self.ask("network", "POST", f"/v2.0/{plural}", {noun: values}, who, 201)[noun]
        return found

    def refused(self, method: str, path: str, body: Any, status: int, who: str = "bob") -> Json:
        """The error of a request to the network service."""
        found: Json = self.ask("network", method, f"/v2.0/{path}", body, who, status)["NeutronError"]
        return found

    def network(self, who: str, **values: Any) -> tuple[str, str]:
        """A network with a subnet: their ids."""
        number = next(self.names)
        network = self.make("network", who, name=f"n{number}", **values)
        subnet = self.make("subnet", who, network_id=network["id"], ip_version=4, cidr=f"10.{number}.0.0/24")
        return network["id"], subnet["id"]

    def server(self, who: str, nets: Any, **values: Any) -> Answer:
        body = {"name": "vm", "flavorRef": self.flavor, "imageRef": self.image, "networks": nets, **values}
        return self.answer("compute", "POST", "/v2.1/servers", {"server": body}, who)

    def victim(self, network_id: str) -> tuple[str, str]:
        """A server of alice's with a secret: its id and address."""
        user_data = base64.b64encode(SECRET.encode()).decode()
        answer = self.server("alice", [{"uuid": network_id}], user_data=user_data)
        assert answer.status == 202, answer.body
        server = answer.json["server"]["id"]
        port = self.ask("network", "GET", f"/v2.0/ports?device_id={server}", None, "alice", 200)["ports"][0]
        return server, port["fixed_ips"][0]["ip_address"]

    def question(self, link: tuple[str, str], **place: Any) -> Answer:
        """What a node is told for a guest over the link."""
        headers = {"x-cumulet-link": link[0], "x-cumulet-secret": link[1]}
        body = {"method": "GET", "path": "/latest/user-data", **place}
        return self.cloud.ask("link", "POST", "/v1/metadata", body=body, headers=headers)

    def by_headers(self, link: tuple[str, str], address: str, **names: str) -> Answer:
        """The same on the metadata service's own port."""
        headers = {"x-cumulet-link": link[0], "x-cumulet-secret": link[1], "x-forwarded-for": address}
        headers.update({f"x-neutron-{name}-id": id for name, id in names.items()})
        return self.cloud.ask("metadata", "GET", "/latest/user-data", headers=headers)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    cloud = Assembled(tmp_path_factory.mktemp("shared") / "state")
    try:
        yield Stage(cloud)
    finally:
        cloud.close()


def bobs_router(stage: Stage) -> tuple[Json, Json, Json]:
    """bob's router with a leg on the shared network and one on his own: the router and both ports."""
    own, _ = stage.network("bob")
    router = stage.make("router", "bob")
    ports = [stage.make("port", "bob", network_id=network_id) for network_id in (stage.shared, own)]
    for port in ports:
        path = f"/v2.0/routers/{router['id']}/add_router_interface"
        stage.ask("network", "PUT", path, {"port_id": port["id"]}, "bob", 200)
    return router, ports[0], ports[1]
