"""Something of everything that a tenant, a project's administrator and an operator keep in a cloud."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from cumulet.cli.api_client import ApiError, Session
from cumulet.config import Settings

LISTS = {
    "identity": (
        *("/projects", "/users", "/groups", "/roles", "/domains", "/role_assignments", "/regions", "/services"),
        *("/endpoints", "/registered_limits", "/limits", "/credentials", "/OS-TRUST/trusts", "/policies"),
    ),
    "image": (
        *("/images?visibility=all&sort=id:asc", "/metadefs/namespaces?sort_key=namespace&sort_dir=asc"),
        *("/tasks", "/metadefs/resource_types"),
    ),
    "network": (
        *("/networks", "/subnets", "/ports", "/routers", "/floatingips", "/security-groups", "/security-group-rules"),
        "/quotas",
    ),
    "compute": (
        *("/servers/detail?all_tenants=1&deleted=False", "/servers/detail?all_tenants=1&deleted=True"),
        *("/flavors/detail?is_public=None", "/os-keypairs", "/limits", "/os-aggregates", "/os-quota-sets/{project}"),
    ),
    "placement": ("/resource_providers", "/allocations/{server}"),
}
"""Service type → lists whose answers an upgrade leaves as they were."""


def sessions(settings: Settings) -> dict[str, Session]:
    """Of the administrator and of the demo user."""
    return {
        name: Session(settings.local_url("identity"), name, settings.secret(f"{name}_password"), settings.region)
        for name in ("admin", "demo")
    }


def fill(settings: Settings) -> None:
    """Make everything, through the APIs."""
    both = sessions(settings)
    admin, demo = both["admin"], both["demo"]
    _identity(admin, demo)
    _image(admin, demo)
    servers = _network_and_servers(demo)
    admin.request("PUT", "network", f"/quotas/{demo.project_id}", {"quota": {"port": 77}})
    admin.request("PUT", "compute", f"/os-quota-sets/{demo.project_id}", {"quota_set": {"cores": 33}})
    demo.request("POST", "compute", f"/servers/{servers[1]}/action", {"os-stop": None})
    demo.request("DELETE", "compute", f"/servers/{servers[2]}")
    _settled(admin)


def _identity(admin: Session, demo: Session) -> None:
    def made(path: str, noun: str, **body: Any) -> str:
        return str(admin.request("POST", "identity", path, {noun: body})[noun]["id"])

    domain = made("/domains", "domain", name="branch", description="An office of its own")
    project = made("/projects", "project", name="books", domain_id=domain, tags=["old", "grey"])
    made("/projects", "project", name="pages", domain_id=domain, parent_id=project)
    user = made("/users", "user", name="ann", domain_id=domain, password="Correct-1-horse", email="ann@example.org")
    group = made("/groups", "group", name="readers", domain_id=domain)
    role = made("/roles", "role", name="librarian")
    admin.request("PUT", "identity", f"/groups/{group}/users/{user}")
    admin.request("PUT", "identity", f"/projects/{project}/groups/{group}/roles/{role}")
    admin.request("PUT", "identity", f"/domains/{domain}/users/{user}/roles/{role}")
    service = next(s["id"] for s in admin.request("GET", "identity", "/services")["services"] if s["type"] == "compute")
    limit = {"service_id": service, "resource_name": "servers"}
    admin.request("POST", "identity", "/registered_limits", {"registered_limits": [{**limit, "default_limit": 11}]})
    own = {**limit, "project_id": project, "resource_limit": 7}
    admin.request("POST", "identity", "/limits", {"limits": [own]})
    me = admin.request("GET", "identity", "/users?name=demo")["users"][0]["id"]
    roles = [{"name": "member"}]
    trust = {"trustor_user_id": me, "trustee_user_id": user, "project_id": demo.project_id, "impersonation": False}
    demo.request("POST", "identity", "/OS-TRUST/trusts", {"trust": {**trust, "roles": roles}})
    application = {"name": "robot", "secret": "a-secret-of-a-robot", "roles": roles}
    demo.request("POST", "identity", f"/users/{me}/application_credentials", {"application_credential": application})
    demo.request("POST", "identity", f"/users/{me}/credentials/OS-EC2", {"tenant_id": demo.project_id})


def _image(admin: Session, demo: Session) -> None:
    body = {"name": "mine", "disk_format": "raw", "container_format": "bare", "tags": ["one", "two"], "os_distro": "x"}
    image = demo.request("POST", "image", "/images", {**body, "visibility": "shared"})["id"]
    demo.request("POST", "image", f"/images/{image}/members", {"member": admin.project_id})
    gone = demo.request("POST", "image", "/images", {"name": "gone", "disk_format": "raw", "container_format": "bare"})
    demo.request("DELETE", "image", f"/images/{gone['id']}")
    space = {"namespace": "Own::Space", "visibility": "public", "properties": {"a": {"title": "A", "type": "string"}}}
    admin.request("POST", "image", "/metadefs/namespaces", space)


def _network_and_servers(demo: Session) -> list[str]:
    def made(path: str, noun: str, **body: Any) -> str:
        return str(demo.request("POST", "network", path, {noun: body})[noun]["id"])

    network = made("/networks", "network", name="second", description="a second one")
    made("/subnets", "subnet", network_id=network, ip_version=4, cidr="10.7.0.0/24", name="v4")
    subnet = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    made("/subnets", "subnet", network_id=network, ip_version=6, cidr="fd00:7::/64", name="v6", **subnet)
    group = made("/security-groups", "security_group", name="web")
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}
    made("/security-group-rules", "security_group_rule", security_group_id=group, **rule)
    port = made("/ports", "port", network_id=network, name="kept", security_groups=[group])
    claimed = {"device_id": "0b1e4a3e-0000-4000-8000-000000000001", "device_owner": "compute:nova"}
    made("/ports", "port", network_id=network, name="says it is a server's", **claimed)
    key = {
        "name": "key",
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a",
    }
    demo.request("POST", "compute", "/os-keypairs", {"keypair": key})
    (own,) = demo.request("GET", "network", f"/networks?name=selfservice&project_id={demo.project_id}")["networks"]
    image = next(i["id"] for i in demo.request("GET", "image", "/images")["images"] if i["name"] == "cirros")
    common = {"imageRef": image, "flavorRef": "1", "key_name": "key", "metadata": {"kept": "yes"}, "user_data": "eA=="}
    plugs = [[{"port": port}, {"uuid": own["id"]}], [{"uuid": own["id"]}], [{"uuid": network}]]
    servers = []
    for number, networks in enumerate(plugs):
        body = {"name": f"server-{number}", "networks": networks, **common}
        servers.append(demo.request("POST", "compute", "/servers", {"server": body})["server"]["id"])
    _settled(demo)
    (outside,) = demo.request("GET", "network", "/networks?name=provider")["networks"]
    taken = demo.request("GET", "network", f"/ports?device_id={servers[1]}")["ports"][0]["id"]
    made("/floatingips", "floatingip", floating_network_id=outside["id"], port_id=taken)
    return servers


def _settled(session: Session) -> None:
    """Wait until no server is at work."""
    for _ in range(200):
        servers = session.request("GET", "compute", "/servers/detail")["servers"]
        if all(server["OS-EXT-STS:task_state"] is None for server in servers):
            return
        time.sleep(0.05)
    raise AssertionError(servers)


def answers(settings: Settings) -> dict[str, Any]:
    """What everybody's lists say, by who and path."""
    found: dict[str, Any] = {}
    for name, session in sessions(settings).items():
        servers = session.request("GET", "compute", "/servers?all_tenants=1" if name == "admin" else "/servers")
        ids = {"project": session.project_id, "server": servers["servers"][0]["id"]}
        for service, paths in LISTS.items():
            for path in paths:
                path = path.format(**ids)
                with suppress(ApiError):  # what a demo user may not see
                    found[f"{name} {service} {path}"] = ordered(session.request("GET", service, path))
    return found


def ordered(answer: Any) -> Any:
    """Lists in an order of their own, and nothing of what tells the moment of the answer."""
    if isinstance(answer, dict):
        return {key: ordered(value) for key, value in answer.items() if key not in ("updated_at", "updated")}
    if isinstance(answer, list):
        return sorted((ordered(each) for each in answer), key=repr)
    return answer
