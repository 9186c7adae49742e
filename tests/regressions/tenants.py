"""Two tenants of an assembled cloud, alice in project A and bob in project B, and a host for their servers."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.fleet.model import desired
from cumulet.fleet.model import hosts as fleet
from cumulet.services.compute import door as compute
from cumulet.services.network import door as network
from tests.assembled import Answer, Assembled, mounted

_PASSWORD = "correct horse battery staple"


@dataclass
class Tenant:
    """Who asks, with a token for the own project. `version` is the microversion of compute."""

    cloud: Assembled
    token: str
    project_id: str
    version: str = "2.96"

    def ask(self, service: str, method: str, path: str, body: Any = b"", query: str = "", **headers: str) -> Answer:
        """One request; `path` may hold the query."""
        path, _, asked = path.partition("?")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if service == "compute":
            sent.setdefault("openstack-api-version", f"compute {self.version}")
        return self.cloud.ask(service, method, path, token=self.token, body=body, query=query or asked, headers=sent)

    def get(self, service: str, path: str) -> Any:
        """The body of a GET that has to succeed."""
        answer = self.ask(service, "GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    def make(self, service: str, path: str, body: Any) -> Any:
        """The body of a POST that has to succeed, without its outermost key if it has but one."""
        answer = self.ask(service, "POST", path, body)
        assert answer.status in (200, 201, 202), answer.body
        made = answer.json
        return next(iter(made.values())) if len(made) == 1 else made

    def image(self, data: bytes = b"x" * 1024, **values: Any) -> str:
        """An image with data."""
        values = {"name": "i", "disk_format": "raw", "container_format": "bare", **values}
        made = self.make("image", "/v2/images", values)
        sent = self.ask("image", "PUT", f"/v2/images/{made['id']}/file", data, content_type="application/octet-stream")
        assert sent.status == 204, sent.body
        return str(made["id"])

    def server(self, image_id: str, **values: Any) -> Answer:
        """The answer to a server's creation, without networks."""
        body = {"name": "vm", "imageRef": image_id, "flavorRef": "tiny", "networks": "none", **values}
        return self.ask("compute", "POST", "/v2.1/servers", {"server": body})


class Tenants(Assembled):
    """The cloud with its two tenants. `link_id` and `link_secret` are those of the node `sim`."""

    def __init__(self, state: Path, hosts: int = 1) -> None:
        super().__init__(state)
        names = [f"sim-{number:04d}" for number in range(1, hosts + 1)]
        with self.controller.db.transaction() as tx:
            facts = [HostFacts(hostname=name, vcpus=64, memory_mb=1 << 19, disk_gb=4000) for name in names]
            self.link_id, self.link_secret = fleet.join(tx, "sim", facts)
            compute.hosts_changed(tx, names)
            network.hosts_changed(tx, names)

        flavor = {"id": "tiny", "name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}
        self.operator.make("compute", "/v2.1/flavors", {"flavor": flavor})

    @cached_property
    def operator(self) -> Tenant:
        """The cloud's administrator."""
        return Tenant(self, self.admin, "")

    @cached_property
    def alice(self) -> Tenant:
        return self._member("alice")

    @cached_property
    def bob(self) -> Tenant:
        return self._member("bob")

    def _member(self, name: str) -> Tenant:
        operator = self.operator
        user = {"name": name, "password": _PASSWORD, "domain_id": "default"}
        project = operator.make("identity", "/v3/projects", {"project": {"name": f"of-{name}", "domain_id": "default"}})
        user_id = operator.make("identity", "/v3/users", {"user": user})["id"]
        roles = {role["name"]: role["id"] for role in operator.get("identity", "/v3/roles")["roles"]}
        path = f"/v3/projects/{project['id']}/users/{user_id}/roles/{roles['member']}"
        assert operator.ask("identity", "PUT", path).status == 204
        limits = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
        assert operator.ask("compute", "PUT", f"/v2.1/os-quota-sets/{project['id']}", limits).status == 200
        return Tenant(self, self.log_in(name, _PASSWORD, {"project": {"id": project["id"]}}), project["id"])

    def fetched(self, image_id: str) -> Answer:
        """What the node gets of an image over the link."""
        headers = {"x-cumulet-link": self.link_id, "x-cumulet-secret": self.link_secret}
        return self.ask("link", "GET", f"/v1/images/{image_id}/file", headers=headers)

    def guest(self, server_id: str) -> Guest:
        """What the node is told of a server, as it crosses the link."""
        renderers = mounted(self.controller, "link").context.renderers
        with self.controller.db.read() as tx:
            items = desired.changes(tx, self.link_id, 0, ["guest"], renderers).items
        raw = next(msgspec.json.encode(item.spec) for item in items if item.ref == server_id)
        return msgspec.json.decode(raw, type=Guest)


def new_id() -> str:
    return str(uuid.uuid4())


def words(answer: Answer) -> str:
    """The sentence of a fault, whatever the service's form."""
    found = json.loads(answer.body)
    while isinstance(found, dict):
        found = found.get("message") or next(value for value in found.values() if value)
    return str(found)
