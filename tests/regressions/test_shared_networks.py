"""What belongs to whom on networks that tenants share, tried as a tenant and as a node on an assembled cloud.

S4   a neighbour's metadata by an address that is not the asker's   here, tests/node/net/inside/world_metadata.py
S8   a node that asks for guests of other networks                  here (cases 48, 50)
S9   ports that claim to be another project's server's              here (cases 32, 50)
S12  an external network by port instead of by uuid                 here (case 50)
S19  metadata's connections, one tenant's and the others'           tests/node/net/test_metadata_shares.py
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.desired.shapes import HostFacts
from cumulet.fleet.model import hosts
from cumulet.services.network import door as network_door
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
        with controller.store.transaction() as tx:
            link = hosts.join(tx, name, [facts])
            for mount in controller.app.mounts.values():
                for changed in getattr(mount.context, "hosts_changed", ()):
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


# ---- S4


def test_s4_a_neighbours_metadata_by_the_address_alone(stage: Stage) -> None:
    """Finding S4. The router's legs are on both networks; an address means nothing without the network it is on."""
    _, address = stage.victim(stage.shared)
    router, _, leg = bobs_router(stage)
    for place in (
        {"router_id": router["id"], "address": address},
        {"router_id": router["id"], "network_id": leg["network_id"], "address": address},
        {"network_id": leg["network_id"], "address": address},
    ):
        answer = stage.question(stage.home, **place)
        assert answer.status in (400, 404) and SECRET.encode() not in answer.body
    answer = stage.question(stage.home, network_id=stage.shared, address=address)
    assert (answer.status, answer.body) == (200, SECRET.encode())


def test_s4_routes_into_a_subnet_that_is_connected(stage: Stage) -> None:
    """Finding S4. Neither with a leg there, nor with one that comes or moves there later."""
    _, address = stage.victim(stage.shared)
    router, _, leg = bobs_router(stage)
    hop = leg["fixed_ips"][0]["ip_address"].rsplit(".", 1)[0] + ".99"
    path = f"routers/{router['id']}"
    whole = address.rsplit(".", 1)[0] + ".0/24"
    for destination in (f"{address}/32", whole):
        body = {"router": {"routes": [{"destination": destination, "nexthop": hop}]}}
        for where in (path, f"{path}/add_extraroutes"):
            error = stage.refused("PUT", where, body, 400)
            assert error["type"] == "InvalidRoutes" and error["message"].endswith("is connected with router")
    # As Tempest does: it says what is so anyway.
    same = {"routes": [{"destination": whole, "nexthop": whole.replace(".0/24", ".99")}]}
    stage.ask("network", "PUT", f"/v2.0/{path}", {"router": same}, "bob", 200)
    wide = {"routes": [{"destination": "10.0.0.0/8", "nexthop": hop}, {"destination": "0.0.0.0/0", "nexthop": hop}]}
    found = stage.ask("network", "PUT", f"/v2.0/{path}", {"router": wide}, "bob", 200)["router"]["routes"]
    assert len(found) == 2

    late, late_subnet = stage.network("bob")
    target = stage.make("port", "bob", network_id=late)["fixed_ips"][0]["ip_address"]
    body = {"router": {"routes": [{"destination": f"{target}/32", "nexthop": hop}]}}
    stage.ask("network", "PUT", f"/v2.0/{path}", body, "bob", 200)
    port = stage.make("port", "bob", network_id=late)
    for given in ({"subnet_id": late_subnet}, {"port_id": port["id"]}):
        error = stage.refused("PUT", f"{path}/add_router_interface", given, 400)
        assert "covers the destination" in error["message"]
    assert stage.ask("network", "GET", f"/v2.0/ports/{port['id']}", None, "bob", 200)["port"]["device_owner"] == ""


def test_s4_a_leg_that_moves_onto_the_subnet_of_a_route(stage: Stage) -> None:
    """Finding S4. By a change of the leg's port, which asks nobody about routers."""
    number = next(stage.names)
    second = {"network_id": stage.shared, "ip_version": 4, "cidr": f"10.{number}.0.0/24"}
    subnet = stage.make("subnet", "admin", **second)["id"]
    try:
        router, shared_leg, leg = bobs_router(stage)
        hop = leg["fixed_ips"][0]["ip_address"].rsplit(".", 1)[0] + ".99"
        body = {"router": {"routes": [{"destination": f"10.{number}.0.77/32", "nexthop": hop}]}}
        stage.ask("network", "PUT", f"/v2.0/routers/{router['id']}", body, "bob", 200)
        moved = {"port": {"fixed_ips": [{"subnet_id": subnet}]}}
        assert stage.refused("PUT", f"ports/{shared_leg['id']}", moved, 400)["type"] == "InvalidRoutes"
    finally:
        stage.answer("network", "DELETE", f"/v2.0/subnets/{subnet}", None, "admin")


def test_s4_a_gateway_over_the_destination_of_a_route(stage: Stage) -> None:
    """Finding S4. A gateway is a leg as well."""
    router, _, leg = bobs_router(stage)
    hop = leg["fixed_ips"][0]["ip_address"].rsplit(".", 1)[0] + ".99"
    outside = stage.ask("network", "GET", f"/v2.0/subnets?network_id={stage.provider}", None, "admin", 200)["subnets"]
    destination = outside[0]["cidr"].replace(".0/24", ".77/32")
    body = {"router": {"routes": [{"destination": destination, "nexthop": hop}]}}
    stage.ask("network", "PUT", f"/v2.0/routers/{router['id']}", body, "bob", 200)
    gateway = {"router": {"external_gateway_info": {"network_id": stage.provider}}}
    assert "covers" in stage.refused("PUT", f"routers/{router['id']}", gateway, 400)["message"]
    stage.ask("network", "PUT", f"/v2.0/routers/{router['id']}", {"router": {"routes": []}}, "bob", 200)
    stage.ask("network", "PUT", f"/v2.0/routers/{router['id']}", gateway, "bob", 200)
    assert stage.refused("PUT", f"routers/{router['id']}", body, 400)["type"] == "InvalidRoutes"


# ---- S8


def test_s8_a_node_asks_for_networks_that_it_does_not_serve(stage: Stage) -> None:
    """Finding S8, cases 48 and 50. By both ways; a guest of its own there does not make it the network's server."""
    network_id, _ = stage.network("alice")
    _, address = stage.victim(network_id)
    router, _, _ = bobs_router(stage)
    assert stage.by_headers(stage.evil, address, network=network_id).status == 404
    assert stage.question(stage.evil, network_id=network_id, address=address).status == 404
    assert stage.question(stage.home, router_id=router["id"], network_id="", address=address).status == 404
    assert stage.by_headers(stage.home, address, router=router["id"]).status == 400
    assert stage.by_headers(stage.home, address, router=router["id"], network=network_id).status == 400
    assert stage.by_headers(stage.home, f"{address}, 10.9.9.9", network=network_id).status == 404
    answer = stage.by_headers(stage.home, address, network=network_id)
    assert (answer.status, answer.body) == (200, SECRET.encode())

    # A port there makes the network the node's to carry, and not yet to serve.
    port = stage.make("port", "admin", network_id=network_id, **{"binding:host_id": "evil"})
    try:
        assert stage.question(stage.evil, network_id=network_id, address=address).status == 404
    finally:
        stage.ask("network", "DELETE", f"/v2.0/ports/{port['id']}", None, "admin", 204)


# ---- S9


def test_s9_a_port_that_claims_to_be_anothers_servers(stage: Stage) -> None:
    """Finding S9, case 50. Refused at once; a claim that was there before counts for nothing."""
    server, _ = stage.victim(stage.shared)
    own, _ = stage.network("bob")
    for claim in (
        {"device_id": server, "device_owner": "compute:nova"},
        {"device_id": server},
        {"device_id": server, "device_owner": "anything"},
    ):
        error = stage.refused("POST", "ports", {"port": {"network_id": own, **claim}}, 409)
        assert error["type"] == "DeviceIDNotOwnedByTenant"
    port = stage.make("port", "bob", network_id=own, device_owner="compute:nova")
    body = {"port": {"device_id": server}}
    assert stage.refused("PUT", f"ports/{port['id']}", body, 409)["type"] == "DeviceIDNotOwnedByTenant"
    tempest = stage.make("port", "bob", network_id=own, device_id="mine", device_owner="compute:None")
    assert (tempest["device_id"], tempest["device_owner"]) == ("mine", "compute:None")


def test_s9_what_a_claim_does_not_get(stage: Stage) -> None:
    """Finding S9, case 50. Groups, floating addresses, interfaces, addresses and deletion are the server's alone."""
    server, _ = stage.victim(stage.shared)
    own, _ = stage.network("alice")
    # alice's own port: her claim is not refused, and still no more than a claim.
    port = stage.make("port", "alice", network_id=own, device_id=server, device_owner="compute:nova")
    group = stage.make("security_group", "alice", name="groupA")
    action = {"addSecurityGroup": {"name": "groupA"}}
    assert stage.answer("compute", "POST", f"/v2.1/servers/{server}/action", action, "alice").status == 202
    seen = stage.ask("network", "GET", f"/v2.0/ports/{port['id']}", None, "alice", 200)["port"]
    assert group["id"] not in seen["security_groups"]
    path = f"/v2.1/servers/{server}"
    interfaces = stage.ask("compute", "GET", f"{path}/os-interface", None, "alice", 200)["interfaceAttachments"]
    assert [each["net_id"] for each in interfaces] == [stage.shared]
    with stage.cloud.controller.store.transaction() as tx:
        network_door.unplug_server(tx, server)
    kept = stage.ask("network", "GET", f"/v2.0/ports/{port['id']}", None, "alice", 200)["port"]
    assert kept["device_id"] == server


def test_s9_case_32_a_plugged_port_stays_what_it_is(stage: Stage) -> None:
    """Finding S9, case 32 (OSSA-2015-018). Neither its owner nor the network's changes whose it is."""
    network_id, _ = stage.network("alice")
    server, _ = stage.victim(network_id)
    port = stage.ask("network", "GET", f"/v2.0/ports?device_id={server}", None, "alice", 200)["ports"][0]
    for given in (
        {"device_owner": ""},
        {"device_owner": "network:dhcp"},
        {"device_owner": "network:any"},
        {"device_owner": "compute:other"},
        {"device_id": ""},
        {"device_id": "x", "device_owner": ""},
    ):
        assert stage.refused("PUT", f"ports/{port['id']}", {"port": given}, 409, "alice")["type"] == "PortInUse"
    # The admin unbinds it: it is the server's all the same, and goes with it.
    unbound = {"port": {"binding:host_id": ""}}
    stage.ask("network", "PUT", f"/v2.0/ports/{port['id']}", unbound, "admin", 200)
    assert stage.refused("PUT", f"ports/{port['id']}", {"port": {"device_id": ""}}, 409, "alice")["type"] == "PortInUse"
    with stage.cloud.controller.store.transaction() as tx:
        network_door.unplug_server(tx, server)
    assert stage.answer("network", "GET", f"/v2.0/ports/{port['id']}", None, "alice").status == 404


# ---- S12


def test_s12_an_external_network_by_port(stage: Stage) -> None:
    """Finding S12, case 50. As by uuid; a shared one is everybody's."""
    assert stage.server("bob", [{"uuid": stage.provider}]).status == 403
    port = stage.make("port", "bob", network_id=stage.provider)
    answer = stage.server("bob", [{"port": port["id"]}])
    assert answer.status == 403
    wanted = f"It is not allowed to create an interface on external network {stage.provider}"
    assert answer.json["forbidden"]["message"] == wanted
    left = stage.ask("network", "GET", f"/v2.0/ports/{port['id']}", None, "bob", 200)["port"]
    assert (left["device_id"], left["device_owner"]) == ("", "")
    body = {"network": {"shared": True}}
    stage.ask("network", "PUT", f"/v2.0/networks/{stage.provider}", body, "admin", 200)
    assert stage.server("bob", [{"port": port["id"]}]).status == 202


def test_s12_a_port_on_a_network_that_is_hidden_by_now(stage: Stage) -> None:
    """Finding S12, case 50. A network that was external once is another's, whatever ports are left on it."""
    network_id, _ = stage.network("admin", **{"router:external": True})
    port = stage.make("port", "bob", network_id=network_id)
    body = {"network": {"router:external": False}}
    stage.ask("network", "PUT", f"/v2.0/networks/{network_id}", body, "admin", 200)
    answer = stage.server("bob", [{"port": port["id"]}])
    assert (answer.status, answer.json["badRequest"]["message"]) == (400, f"Network {network_id} could not be found.")


def test_s12_a_router_on_an_external_network_by_port(stage: Stage) -> None:
    """Finding S12's class. A leg there would be a gateway without translation, which only administrators may give."""
    network_id, _ = stage.network("admin", **{"router:external": True})
    port = stage.make("port", "bob", network_id=network_id)
    router = stage.make("router", "bob")
    error = stage.refused("PUT", f"routers/{router['id']}/add_router_interface", {"port_id": port["id"]}, 400)
    assert "is external" in error["message"]
    gateway = {"router": {"external_gateway_info": {"network_id": network_id}}}
    stage.ask("network", "PUT", f"/v2.0/routers/{router['id']}", gateway, "bob", 200)


# ---- the seams between tenants of a shared network


def test_only_the_owner_of_a_network_lets_a_port_be_another(stage: Stage) -> None:
    """Cases 31 and 50. Neutron's ``admin_or_network_owner``, at creation and later, whoever's the port is."""
    _, address = stage.victim(stage.shared)
    port = stage.make("port", "bob", network_id=stage.shared)
    other_group = stage.make("security_group", "alice", name="hers")["id"]
    for given in (
        {"allowed_address_pairs": [{"ip_address": address}]},
        {"port_security_enabled": False},
        {"mac_address": "fa:16:3e:11:22:33"},
        {"fixed_ips": [{"ip_address": "10.0.0.200"}]},
        {"fixed_ips": [{"subnet_id": stage.shared_subnet, "ip_address": "10.0.0.200"}]},
        {"device_owner": "network:dhcp"},
        {"device_owner": "network:any"},
    ):
        stage.refused("PUT", f"ports/{port['id']}", {"port": given}, 403)
        stage.refused("POST", "ports", {"port": {"network_id": stage.shared, **given}}, 403)
    foreign = {"security_groups": [other_group]}
    stage.refused("PUT", f"ports/{port['id']}", {"port": foreign}, 404)
    stage.refused("POST", "ports", {"port": {"network_id": stage.shared, **foreign}}, 404)


def test_an_address_is_not_chosen_through_compute(stage: Stage) -> None:
    """Case 31. What `create_port:fixed_ips:ip_address` refuses on others' networks: here, the gateway's own address."""
    gateway = stage.ask("network", "GET", f"/v2.0/subnets/{stage.shared_subnet}", None, "bob", 200)["subnet"]
    wish = [{"uuid": stage.shared, "fixed_ip": gateway["gateway_ip"]}]
    answer = stage.server("bob", wish)
    assert answer.status == 403 and "not allowed to choose the address" in answer.json["forbidden"]["message"]
    own, subnet = stage.network("bob")
    cidr = stage.ask("network", "GET", f"/v2.0/subnets/{subnet}", None, "bob", 200)["subnet"]["cidr"]
    chosen = cidr.replace(".0/24", ".77")
    assert stage.server("bob", [{"uuid": own, "fixed_ip": chosen}]).status == 202
    assert stage.server("admin", [{"uuid": own, "fixed_ip": cidr.replace(".0/24", ".78")}]).status == 202


def test_a_floating_ip_does_not_go_through_another_tenants_router(stage: Stage) -> None:
    """bob's router on the shared network is older than alice's; what leads to her port is not his to translate."""
    outer, _ = stage.network("admin", **{"router:external": True})
    shared, subnet = stage.network("admin", shared=True)
    gateway = {"external_gateway_info": {"network_id": outer}}

    def router(who: str) -> str:
        made = stage.make("router", who, **gateway)["id"]
        port = stage.make("port", who, network_id=shared)["id"]
        stage.ask("network", "PUT", f"/v2.0/routers/{made}/add_router_interface", {"port_id": port}, who, 200)
        return str(made)

    router("bob")
    port = stage.make("port", "alice", network_id=shared)["id"]
    body = {"floatingip": {"floating_network_id": outer, "port_id": port}}
    error = stage.refused("POST", "floatingips", body, 404, "alice")
    assert error["type"] == "ExternalGatewayForFloatingIPNotFound"
    own = router("alice")
    made = stage.make("floatingip", "alice", floating_network_id=outer, port_id=port)
    assert made["router_id"] == own
    stage.ask("network", "DELETE", f"/v2.0/floatingips/{made['id']}", None, "alice", 204)
    # The network's own gateway goes before all others, as in Neutron.
    edge = stage.make("router", "admin", **gateway)["id"]
    path = f"/v2.0/routers/{edge}/add_router_interface"
    stage.ask("network", "PUT", path, {"subnet_id": subnet}, "admin", 200)
    made = stage.make("floatingip", "alice", floating_network_id=outer, port_id=port)
    assert made["router_id"] == edge


def test_a_name_that_a_neighbour_has(stage: Stage) -> None:
    """Names on a shared network: the older port keeps its own, by any spelling, and nobody goes by its address."""
    shared, _ = stage.network("admin", shared=True)
    database = stage.make("port", "alice", network_id=shared, dns_name="db")
    address = database["fixed_ips"][0]["ip_address"].replace(".", "-")
    names = [("bob", "db"), ("bob", "DB"), ("bob", f"host-{address}"), ("bob", "web"), ("alice", "db"), ("bob", "web")]
    ports = [stage.make("port", who, network_id=shared, dns_name=name)["id"] for who, name in names]
    with stage.cloud.controller.store.read() as tx:
        told: Any = network_door.RENDERERS["network"](tx, stage.home[0], [shared])[shared]
    served = {host.port_id: host.hostname for host in told.dhcp.hosts}
    own = [host.addresses[0].ip.replace(".", "-") for host in told.dhcp.hosts if host.port_id in ports]
    assert served[database["id"]] == "db"
    assert [served[port] for port in ports] == [*(f"host-{ip}" for ip in own[:3]), "web", "db", "web"]


def names_on(stage: Stage, network_id: str) -> dict[str, str]:
    """What the network's DHCP server is told to call its ports: port id → name, "" for one that goes by its address."""
    with stage.cloud.controller.store.read() as tx:
        told: Any = network_door.RENDERERS["network"](tx, stage.home[0], [network_id])[network_id]
    byaddress = {host.port_id: f"host-{host.addresses[0].ip.replace('.', '-')}" for host in told.dhcp.hosts}
    return {h.port_id: "" if h.hostname == byaddress[h.port_id] else h.hostname for h in told.dhcp.hosts}


@pytest.mark.parametrize(
    "spelling", ["db.", "DB.", "db.openstacklocal", "db.openstacklocal.", "DB.OpenStackLocal", "db.of.bob"]
)
def test_a_neighbours_name_spelled_otherwise(stage: Stage, spelling: str) -> None:
    """Finding S4's class: a DHCP server makes one name of these, and answers to its first label, too."""
    shared, _ = stage.network("admin", shared=True)
    database = stage.make("port", "alice", network_id=shared, dns_name="db")["id"]
    port = stage.make("port", "bob", network_id=shared, dns_name=spelling)["id"]
    assert names_on(stage, shared)[database] == "db"
    assert names_on(stage, shared)[port] == ""


def test_a_neighbours_name_taken_by_an_older_port(stage: Stage) -> None:
    """Finding S4's class: who keeps a port in store and gives it somebody's name later was not there first."""
    shared, _ = stage.network("admin", shared=True)
    kept = stage.make("port", "bob", network_id=shared, dns_name="mine")["id"]
    database = stage.make("port", "alice", network_id=shared, dns_name="db")["id"]
    stage.ask("network", "PUT", f"/v2.0/ports/{kept}", {"port": {"dns_name": "db"}}, "bob", 200)
    assert names_on(stage, shared)[database] == "db"
    assert names_on(stage, shared)[kept] == ""
    server = stage.server("bob", [{"port": stage.make("port", "bob", network_id=shared)["id"]}], name="db")
    assert server.status == 202, server.body
    stage.ask(
        "network", "PUT", f"/v2.0/ports/{database}", {"port": {"name": "renamed", "dns_name": "db"}}, "alice", 200
    )
    assert [name for name in names_on(stage, shared).values() if name] == ["db"], (
        "what says nothing new changes nothing"
    )
    assert names_on(stage, shared)[database] == "db"


def test_an_address_of_its_own_making_that_is_taken(stage: Stage) -> None:
    """A port whose MAC makes an address that its network's owner gave to another one: a refusal, not an error."""
    network = stage.make("network", "bob", name="v6")["id"]
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    subnet = {"network_id": network, "ip_version": 6, "cidr": "2001:db8::/64", **modes}
    subnet_id = stage.make("subnet", "bob", **subnet)["id"]
    taken = {"ip_address": "2001:db8::a8bb:ccff:fedd:eeff"}
    stage.make("port", "bob", network_id=network, fixed_ips=[taken])
    for asked in ({}, {"fixed_ips": [{"subnet_id": subnet_id}]}):
        body = {"port": {"network_id": network, "mac_address": "aa:bb:cc:dd:ee:ff", **asked}}
        assert stage.refused("POST", "ports", body, 409)["type"] == "IpAddressAlreadyAllocated"


@pytest.mark.parametrize("plural", ["networks", "subnets", "ports", "security_groups", "security_group_rules"])
def test_a_list_that_no_quota_has_room_for_costs_no_look_ups(stage: Stage, plural: str) -> None:
    """Whoever asks for 18,000 ports in one request kept all writers of the cloud waiting for four seconds."""
    nowhere = "11111111-2222-4333-8444-555555555555"
    item = {"network_id": nowhere, "security_group_id": nowhere}
    body = {plural: [item] * 600}
    assert stage.refused("POST", plural.replace("_", "-"), body, 409)["type"] == "OverQuota"
    assert stage.answer("network", "POST", f"/v2.0/{plural.replace('_', '-')}", {plural: [item] * 2}).status in (
        400,
        404,
    )


def test_a_port_has_so_many_addresses(stage: Stage) -> None:
    """Each address is looked up while nobody else writes, and is told to the DHCP server and the filters."""
    network, _ = stage.network("bob")
    subnet = {"network_id": network, "ip_version": 4, "cidr": "172.20.0.0/16"}
    stage.make("subnet", "bob", **subnet)
    many = [{"ip_address": f"172.20.1.{number}"} for number in range(1, 102)]
    port = stage.make("port", "bob", network_id=network, fixed_ips=many[:100])
    assert len(port["fixed_ips"]) == 100
    error = stage.refused("PUT", f"ports/{port['id']}", {"port": {"fixed_ips": many}}, 400)
    assert "Exceeded maximum amount of fixed ips per port" in error["message"]
    error = stage.refused("POST", "ports", {"ports": [{"network_id": network, "fixed_ips": many}]}, 400)
    assert "Exceeded maximum amount of fixed ips per port" in error["message"]
