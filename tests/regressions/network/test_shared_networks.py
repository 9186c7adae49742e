"""What belongs to whom on networks that tenants share, tried as a tenant and as a node on an assembled cloud.

S4   a neighbour's metadata by an address that is not the asker's   here, tests/node/net/inside/world_metadata.py
S8   a node that asks for guests of other networks                  here (cases 48, 50)
S9   ports that claim to be another project's server's              here (cases 32, 50)
S12  an external network by port instead of by uuid                 here (case 50)
S19  metadata's connections, one tenant's and the others'           tests/node/net/test_metadata_shares.py
"""

from __future__ import annotations

from cumulet.services.network import door as network_door
from tests.regressions.network.shared_stage import SECRET, Stage, bobs_router

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
    with stage.cloud.controller.db.transaction() as tx:
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
    with stage.cloud.controller.db.transaction() as tx:
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
