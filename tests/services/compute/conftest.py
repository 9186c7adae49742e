"""A cloud's compute service over HTTP, with the real services behind it and a node that the tests play."""

from __future__ import annotations

import base64
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.db import Database
from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Changes, Item, Report
from cumulet.desired.kinds import SPECS
from cumulet.desired.questions import JobDone
from cumulet.engine import Engine
from cumulet.fleet.model import desired, hosts, jobs
from cumulet.services.compute import door
from cumulet.services.compute.api import load
from cumulet.services.compute.console import api as console_service
from cumulet.services.identity.tables import projects
from cumulet.services.image.tables import images
from cumulet.services.network import door as network
from cumulet.services.network.tables import addresses, floatingips, networks, ports, routers, subnets
from tests.services.guide_flavors import make_flavors
from tests.services.serving import PROJECTS, Running, running

IMAGE = "11111111-1111-4111-8111-111111111111"
NETWORK = "22222222-2222-4222-8222-222222222222"
SUBNET = "33333333-3333-4333-8333-333333333333"


@dataclass
class Node:
    """A node of one host or several. `react` says what it does about a wanted guest: a report's values."""

    db: Database
    engine: Engine
    context: door.ComputeContext
    names: Sequence[str]
    link_id: str = ""
    secret: str = ""
    seen: int = 0
    guests: dict[str, Guest] = field(default_factory=dict)
    react: Callable[[Item], dict[str, Any]] = lambda item: {}
    jobs: list[Any] = field(default_factory=list)

    def join(self, facts: dict[str, Any]) -> None:
        with self.db.transaction() as tx:
            all_facts = [HostFacts(hostname=name, **facts) for name in self.names]
            self.link_id, self.secret = hosts.join(tx, self.names[0], all_facts)
            door.hosts_changed(tx, list(self.names))
            network.hosts_changed(tx, list(self.names))

    def pull(self) -> Changes:
        with self.db.read() as tx:
            renderers = {**network.RENDERERS, **door.renderers(self.context)}
            found = desired.changes(tx, self.link_id, self.seen, list(SPECS), renderers)
            found.jobs = jobs.waiting(tx, self.link_id)
        self.jobs += found.jobs
        self.seen = max(self.seen, found.revision)
        return found

    def report(self, item: Item, **values: Any) -> None:
        gone = item.gone or item.spec is None
        defaults: dict[str, Any] = {"state": "absent" if gone else "ready"}
        if item.kind == "guest" and not gone:
            power = "running" if item.spec.power == "on" else "shutdown"
            defaults["facts"] = {"power_state": power, "screen": True}
        report = Report(host=item.host, kind=item.kind, ref=item.ref, revision=item.revision, **{**defaults, **values})
        with self.db.transaction() as tx:
            handlers = {**network.REPORTS, **door.reports(self.engine)}
            desired.keep_reports(tx, self.link_id, [report], handlers)

    def work(self) -> list[Item]:
        """Pull once, do what is wanted, report."""
        items = self.pull().items
        for item in items:
            if item.kind == "guest" and item.spec is not None:
                self.guests[item.ref] = item.spec
            elif item.kind == "guest":
                self.guests.pop(item.ref, None)
            self.report(item, **self.react(item))
        return items

    def answer(self, text: str, ok: bool = True) -> None:
        self.pull()
        with self.db.transaction() as tx:
            result = base64.b64encode(text.encode()).decode()
            jobs.answered(tx, self.link_id, [JobDone(id=job.id, ok=ok, result=result) for job in self.jobs])
        self.jobs.clear()


@dataclass
class Nova:
    """The running service, its clients and its node."""

    served: Running
    context: door.ComputeContext
    engine: Engine
    node: Node

    @property
    def db(self) -> Database:
        return self.served.db

    def client(self, token: str = "demo", version: str = "2.96") -> httpx.Client:
        extra = {"OpenStack-API-Version": f"compute {version}"} if version else {}
        return self.served.client(token, **extra)

    def join(self, *names: str, **facts: Any) -> Node:
        values = {"vcpus": 64, "memory_mb": 512 * 1024, "disk_gb": 4000, "cpu_info": {"model": "max"}, **facts}
        node = Node(self.db, self.engine, self.context, names)
        node.join(values)
        return node

    def run_flows(self) -> None:
        while self.engine.run_due() == 0.0:
            pass

    def body(self, name: str = "vm", **values: Any) -> dict[str, Any]:
        server = {"name": name, "flavorRef": "1", "imageRef": IMAGE, "networks": [{"uuid": NETWORK}], **values}
        return {"server": {key: value for key, value in server.items() if value is not ...}}

    def create(self, client: httpx.Client, name: str = "vm", **values: Any) -> str:
        answer = client.post("/v2.1/servers", json=self.body(name, **values))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["server"]["id"])

    def active(self, client: httpx.Client, name: str = "vm", **values: Any) -> str:
        server_id = self.create(client, name, **values)
        self.node.work()
        assert show(client, server_id)["status"] == "ACTIVE"
        return server_id


def show(client: httpx.Client, server_id: str) -> dict[str, Any]:
    answer = client.get(f"/v2.1/servers/{server_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["server"])


def message(answer: httpx.Response) -> str:
    (fault,) = answer.json().values()
    assert fault["code"] == answer.status_code
    return str(fault["message"])


def stock(db: Database) -> None:
    """Projects, an image, a network with a subnet, the guides' flavors."""
    with db.transaction() as tx:
        for name in ("demo", "other", "admin"):
            tx.insert(projects, {"id": PROJECTS[name], "name": name, "domain_id": "default", "is_domain": False})
        tx.insert(images, image_row(IMAGE, tx.now))
        tx.insert(networks, network_row(NETWORK, "private", tx.now, PROJECTS["demo"], 1))
        tx.insert(subnets, subnet_row(SUBNET, NETWORK, tx.now, "10.1.0.0/16"))
        make_flavors(tx)


def image_row(image_id: str, now: int, **values: Any) -> dict[str, Any]:
    row = {
        "id": image_id,
        "name": "tiny",
        "owner": PROJECTS["admin"],
        "visibility": "public",
        "status": "active",
        "disk_format": "qcow2",
        "container_format": "bare",
        "size": 1000,
        "virtual_size": 50 << 20,
        "os_hash_value": "ab" * 64,
        "min_disk": 0,
        "min_ram": 0,
        "protected": False,
        "os_hidden": False,
        "properties": {},
        "created_at": now,
        "updated_at": now,
    }
    return {**row, **values}


def network_row(network_id: str, name: str, now: int, project: str, segment: int) -> dict[str, Any]:
    return {
        "id": network_id,
        "project_id": project,
        "created_at": now,
        "updated_at": now,
        "name": name,
        "admin_state_up": True,
        "shared": False,
        "external": False,
        "is_default": False,
        "mtu": 1450,
        "kind": "vxlan",
        "segmentation_id": segment,
        "port_security_enabled": True,
        "availability_zone_hints": [],
    }


def subnet_row(subnet_id: str, network_id: str, now: int, cidr: str, **values: Any) -> dict[str, Any]:
    stem = cidr.rsplit(".", 2)[0]
    row = {
        "id": subnet_id,
        "project_id": PROJECTS["demo"],
        "created_at": now,
        "updated_at": now,
        "network_id": network_id,
        "ip_version": 4,
        "cidr": cidr,
        "gateway_ip": f"{stem}.0.1",
        "enable_dhcp": True,
        "dns_nameservers": ["10.9.9.9"],
        "host_routes": [],
        "allocation_pools": [{"start": f"{stem}.0.2", "end": f"{stem}.255.254"}],
        "service_types": [],
    }
    return {**row, **values}


def floating(nova: Nova, address: str) -> None:
    """A floating ip of demo on an external network, and a router from there to the private subnet."""
    outside, router, leg = new_id(), new_id(), new_id()
    with nova.db.transaction() as tx:
        common = {"project_id": PROJECTS["demo"], "created_at": tx.now, "updated_at": tx.now}
        external = network_row(outside, "provider", tx.now, PROJECTS["admin"], 99) | {"external": True}
        tx.insert(networks, external)
        lists: dict[str, Any] = {"routes": [], "availability_zone_hints": []}
        row = {"id": router, "name": "r", "admin_state_up": True, "enable_snat": True, "gateway_network_id": outside}
        tx.insert(routers, {**common, **lists, **row})
        tx.insert(
            ports,
            common
            | {"id": leg, "network_id": NETWORK, "mac_address": "fa:16:3e:00:00:01", "admin_state_up": True}
            | {"status": "ACTIVE", "device_id": router, "device_owner": "network:router_interface"}
            | {"port_security_enabled": False, "profile": {}, "extra_dhcp_opts": [], "allowed_address_pairs": []},
        )
        values = {"number": "0a010001", "ip_address": "10.1.0.1", "position": 0}
        tx.insert(addresses, {"subnet_id": SUBNET, "port_id": leg, "network_id": NETWORK, **values})
        tx.insert(
            floatingips,
            common
            | {"id": new_id(), "floating_network_id": outside, "floating_ip_address": address}
            | {"floating_port_id": new_id(), "status": "DOWN"},
        )


@pytest.fixture
def nova(tmp_path: Path) -> Iterator[Nova]:
    context = door.ComputeContext(engine=None, metadata_secrets=lambda: ["shared"])  # type: ignore[arg-type]
    with running(load(), context, tmp_path / "state.db") as served:
        engine = context.engine = Engine(served.db)
        door.register(engine, context)
        stock(served.db)
        cloud = Nova(served, context, engine, None)  # type: ignore[arg-type]
        cloud.node = cloud.join("compute1")
        yield cloud


@pytest.fixture
def demo(nova: Nova) -> Iterator[httpx.Client]:
    with nova.client("demo") as client:
        yield client


@pytest.fixture
def old(nova: Nova) -> Iterator[httpx.Client]:
    with nova.client("demo", "2.1") as client:
        yield client


@pytest.fixture
def admin(nova: Nova) -> Iterator[httpx.Client]:
    with nova.client("admin") as client:
        yield client


def new_id() -> str:
    return str(uuid.uuid4())


URL = "http://127.0.0.1:6080/vnc_auto.html?autoconnect=true&path=%3Ftoken%3D"


def token_of(demo: httpx.Client, server_id: str) -> str:
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    answer = demo.post(f"/v2.1/servers/{server_id}/remote-consoles", json=body)
    assert answer.status_code == 200, answer.text
    url = answer.json()["remote_console"]["url"]
    assert url.startswith(URL)
    return str(url.removeprefix(URL))


@pytest.fixture
def console(nova: Nova, tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "novnc"
    (folder / "core").mkdir(parents=True)
    (folder / "vnc_lite.html").write_text("<html>lite</html>")
    (folder / "core" / "rfb.js").write_text("export default 1;")
    (tmp_path / "secret").write_text("no")
    (folder / "core" / "link").symlink_to(tmp_path)
    nova.context.novnc = folder
    with (
        tempfile.TemporaryDirectory(prefix="screens-") as screens,  # a short path, as the kernel wants it for sockets
        running(console_service.load(), nova.context, nova.db.where) as served,
    ):
        nova.context.screens = Path(screens)
        yield served
