"""Another tenant's id inside a body is answered as an id of nothing, to the letter: finding S3's class (case 50).

Not here, because it is as in Keystone: a trust and an EC2 credential may name a project that the caller has no role in;
there is no token to be had with either. A router's `flavor_id` is taken and never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.regressions.tenants import Tenants, new_id

PATCH = "application/openstack-images-v2.1-json-patch"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    found = Tenants(tmp_path_factory.mktemp("ids") / "state")
    yield found
    found.close()


@pytest.fixture(scope="module")
def ids(cloud: Tenants) -> dict[str, str]:
    """Of each kind one of alice's, under its name, and one of bob's, with `own_` before it."""
    found = {}
    external = {"network": {"name": "ext", "router:external": True}}
    found["external"] = cloud.operator.make("network", "/v2.0/networks", external)["id"]
    cidr = {"network_id": found["external"], "ip_version": 4, "cidr": "172.30.0.0/24"}
    found["ext_subnet"] = cloud.operator.make("network", "/v2.0/subnets", {"subnet": cidr})["id"]
    for prefix, who in (("", cloud.alice), ("own_", cloud.bob)):

        def made(kind: str, path: str, **values: Any) -> None:
            found[prefix + kind] = who.make("network", path, {kind: values})["id"]  # noqa: B023

        net = f"{prefix}network"
        made("network", "/v2.0/networks", name="n")
        cidr = "10.7.0.0/24" if prefix else "10.8.0.0/24"  # type: ignore[assignment]
        made("subnet", "/v2.0/subnets", network_id=found[net], ip_version=4, cidr=cidr)
        made("port", "/v2.0/ports", network_id=found[net])
        made("router", "/v2.0/routers", name="r")
        made("security_group", "/v2.0/security-groups", name="g")
        made("floatingip", "/v2.0/floatingips", floating_network_id=found["external"])
        found[f"{prefix}image"] = who.image(visibility="private")
        found[f"{prefix}server"] = who.server(found[f"{prefix}image"]).json["server"]["id"]
        found[f"{prefix}project"] = who.project_id
        found[f"{prefix}user"] = who.ask("identity", "GET", "/v3/auth/tokens", x_subject_token=who.token).json["token"][
            "user"
        ]["id"]
    return found


def server(**values: Any) -> dict[str, Any]:
    return {"server": {"name": "vm", "imageRef": "{own_image}", "flavorRef": "tiny", "networks": "none", **values}}


def port(**values: Any) -> dict[str, Any]:
    return {"port": {"network_id": "{own_network}", **values}}


def rule(**values: Any) -> dict[str, Any]:
    return {"security_group_rule": {"security_group_id": "{own_security_group}", "direction": "ingress", **values}}


DEVICE = {"source_type": "image", "destination_type": "local", "boot_index": 0}
CASES: list[tuple[str, str, str, str, Any]] = [
    ("image", "compute", "POST", "/v2.1/servers", server(imageRef="{id}")),
    (
        "image",
        "compute",
        "POST",
        "/v2.1/servers",
        server(imageRef="", block_device_mapping_v2=[DEVICE | {"uuid": "{id}"}]),
    ),
    ("network", "compute", "POST", "/v2.1/servers", server(networks=[{"uuid": "{id}"}])),
    ("port", "compute", "POST", "/v2.1/servers", server(networks=[{"port": "{id}"}])),
    (
        "security_group",
        "compute",
        "POST",
        "/v2.1/servers",
        server(networks=[{"uuid": "{own_network}"}], security_groups=[{"name": "{id}"}]),
    ),
    ("security_group", "compute", "POST", "/v2.1/servers/{own_server}/action", {"addSecurityGroup": {"name": "{id}"}}),
    ("server", "compute", "POST", "/v2.1/servers", {**server(), "os:scheduler_hints": {"group": "{id}"}}),
    ("network", "network", "POST", "/v2.0/ports", {"port": {"network_id": "{id}"}}),
    (
        "network",
        "network",
        "POST",
        "/v2.0/subnets",
        {"subnet": {"network_id": "{id}", "ip_version": 4, "cidr": "10.9.0.0/24"}},
    ),
    ("subnet", "network", "POST", "/v2.0/ports", port(fixed_ips=[{"subnet_id": "{id}"}])),
    ("security_group", "network", "POST", "/v2.0/ports", port(security_groups=["{id}"])),
    ("security_group", "network", "PUT", "/v2.0/ports/{own_port}", {"port": {"security_groups": ["{id}"]}}),
    ("subnet", "network", "PUT", "/v2.0/ports/{own_port}", {"port": {"fixed_ips": [{"subnet_id": "{id}"}]}}),
    ("security_group", "network", "POST", "/v2.0/security-group-rules", rule(security_group_id="{id}")),
    ("security_group", "network", "POST", "/v2.0/security-group-rules", rule(remote_group_id="{id}")),
    ("security_group", "network", "POST", "/v2.0/security-group-rules", rule(remote_address_group_id="{id}")),
    ("subnet", "network", "PUT", "/v2.0/routers/{own_router}/add_router_interface", {"subnet_id": "{id}"}),
    ("port", "network", "PUT", "/v2.0/routers/{own_router}/add_router_interface", {"port_id": "{id}"}),
    ("port", "network", "PUT", "/v2.0/routers/{own_router}/remove_router_interface", {"port_id": "{id}"}),
    (
        "network",
        "network",
        "PUT",
        "/v2.0/routers/{own_router}",
        {"router": {"external_gateway_info": {"network_id": "{id}"}}},
    ),
    ("network", "network", "POST", "/v2.0/routers", {"router": {"external_gateway_info": {"network_id": "{id}"}}}),
    ("network", "network", "POST", "/v2.0/floatingips", {"floatingip": {"floating_network_id": "{id}"}}),
    (
        "port",
        "network",
        "POST",
        "/v2.0/floatingips",
        {"floatingip": {"floating_network_id": "{external}", "port_id": "{id}"}},
    ),
    (
        "subnet",
        "network",
        "POST",
        "/v2.0/floatingips",
        {"floatingip": {"floating_network_id": "{external}", "subnet_id": "{id}"}},
    ),
    ("port", "network", "PUT", "/v2.0/floatingips/{own_floatingip}", {"floatingip": {"port_id": "{id}"}}),
    ("network", "network", "POST", "/v2.0/networks", {"network": {"name": "x", "qos_policy_id": "{id}"}}),
    (
        "network",
        "network",
        "POST",
        "/v2.0/subnets",
        {"subnet": {"network_id": "{own_network}", "ip_version": 4, "cidr": "10.9.0.0/24", "subnetpool_id": "{id}"}},
    ),
    (
        "image",
        "image",
        "POST",
        "/v2/images/{own_image}/import",
        {"method": {"name": "copy-image"}, "all_stores": True, "x": "{id}"},
    ),
    (
        "image",
        "image",
        "POST",
        "/v2/images/{own_image}/import",
        {"method": {"name": "glance-download", "glance_region": "x", "glance_image_id": "{id}"}},
    ),
    ("image", "image", "POST", "/v2/images/{own_image}/members", {"member": "{id}"}),
    (
        "user",
        "identity",
        "POST",
        "/v3/OS-TRUST/trusts",
        {
            "trust": {
                "trustor_user_id": "{id}",
                "trustee_user_id": "{own_user}",
                "impersonation": True,
                "project_id": "{own_project}",
                "roles": [{"name": "member"}],
            }
        },
    ),
    ("user", "identity", "POST", "/v3/credentials", {"credential": {"type": "x", "blob": "{}", "user_id": "{id}"}}),
    (
        "project",
        "identity",
        "POST",
        "/v3/auth/tokens",
        {
            "auth": {
                "identity": {"methods": ["token"], "token": {"id": "{token}"}},
                "scope": {"project": {"id": "{id}"}},
            }
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{one[1]}-{one[0]}" for number, one in enumerate(CASES)])
def test_a_foreign_id_is_an_id_of_nothing(cloud: Tenants, ids: dict[str, str], case: Any) -> None:
    """Finding S3, case 50: status and words are the same, but for the id."""
    kind, service, method, path, body = case
    found = []
    for named in (ids[kind], new_id() if "-" in ids[kind] else new_id().replace("-", "")):
        values = {**ids, "id": named, "token": cloud.bob.token}
        answer = cloud.bob.ask(service, method, _filled(path, values), _filled(body, values))
        assert 400 <= answer.status < 500, answer.body
        found.append((answer.status, answer.body.decode().replace(named, "ID")))
    assert found[0] == found[1]


def _filled(part: Any, values: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if isinstance(part, str):
        for name, value in values.items():
            part = part.replace("{" + name + "}", value)
    return part
