"""Requests to compute's operations, and the server of the project *own* that they are about. There are no hosts: it has
found no place, and what needs it to run is answered with 409."""

from __future__ import annotations

from typing import Any

from tests.matrix.asking import Ask
from tests.matrix.world import World

_VERSION = {"openstack-api-version": "compute 2.90"}
_SERVER = "/v2.1/servers/{server_id}"
_FLAVOR = "/v2.1/flavors/{flavor_id}"
_QUOTA = "/v2.1/os-quota-sets/{project_id}"
_NEW_FLAVOR = {"name": "new", "ram": 64, "vcpus": 1, "disk": 1}


def _plain(text: str) -> dict[str, list[Ask]]:
    return {line.strip(): [Ask()] for line in text.strip().splitlines()}


def _action(name: str, arguments: Any = None, *, until: str = "") -> dict[str, list[Ask]]:
    return {f"POST {_SERVER}/action ({name}){until and f' up to {until}'}": [Ask({name: arguments})]}


REQUESTS: dict[str, list[Ask]] = {
    **_plain("""
        GET /
        GET /v2.1
        GET /v2.1/extensions
        GET /v2.1/extensions/{alias}
        GET /v2.1/os-aggregates
        GET /v2.1/os-availability-zone
        GET /v2.1/os-availability-zone/detail
        GET /v2.1/flavors/{flavor_id}/os-extra_specs
        GET /v2.1/flavors/{flavor_id}/os-extra_specs/{key}
        DELETE /v2.1/flavors/{flavor_id}/os-extra_specs/{key}
        GET /v2.1/flavors/{flavor_id}/os-flavor-access
        GET /v2.1/os-hypervisors
        GET /v2.1/os-hypervisors/detail
        GET /v2.1/os-hypervisors/statistics up to 2.87
        GET /v2.1/os-hypervisors/{ident}
        GET /v2.1/os-hypervisors/{ident}/uptime up to 2.87
        GET /v2.1/os-hypervisors/{pattern}/search up to 2.52
        GET /v2.1/os-hypervisors/{pattern}/servers up to 2.52
        GET /v2.1/os-keypairs
        GET /v2.1/os-keypairs/{name}
        DELETE /v2.1/os-keypairs/{name}
        GET /v2.1/os-quota-sets/{project_id}
        GET /v2.1/os-quota-sets/{project_id}/detail
        GET /v2.1/os-quota-sets/{project_id}/defaults
        DELETE /v2.1/os-quota-sets/{project_id}
        GET /v2.1/os-quota-class-sets/{name}
        GET /v2.1/os-services
        GET /v2.1/os-simple-tenant-usage
        GET /v2.1/os-simple-tenant-usage/{project_id}
        GET /v2.1/servers/{server_id}
        DELETE /v2.1/servers/{server_id}
        GET /v2.1/servers/{server_id}/ips
        GET /v2.1/servers/{server_id}/ips/{label}
        GET /v2.1/servers/{server_id}/os-interface
        GET /v2.1/servers/{server_id}/os-interface/{port_id}
        GET /v2.1/servers/{server_id}/os-instance-actions
        GET /v2.1/servers/{server_id}/os-instance-actions/{request_id}
        GET /v2.1/servers/{server_id}/os-security-groups
        GET /v2.1/servers/{server_id}/metadata
        GET /v2.1/servers/{server_id}/metadata/{key}
        DELETE /v2.1/servers/{server_id}/metadata/{key}
        GET /v2.1/servers/{server_id}/tags
        DELETE /v2.1/servers/{server_id}/tags
        GET /v2.1/servers/{server_id}/tags/{tag}
        PUT /v2.1/servers/{server_id}/tags/{tag}
        DELETE /v2.1/servers/{server_id}/tags/{tag}
        """),
    "GET /v2.1/limits": [Ask(), Ask(label="of the project own", query="tenant_id=$own")],
    "GET /v2.1/flavors": [Ask(shows="$flavor_id"), Ask(label="private", query="is_public=false", shows="$private")],
    "GET /v2.1/flavors/detail": [Ask(shows="$flavor_id")],
    f"GET {_FLAVOR}": [Ask(), Ask(label="private", where={"flavor_id": "$private"})],
    "POST /v2.1/flavors": [Ask({"flavor": _NEW_FLAVOR})],
    f"PUT {_FLAVOR}": [Ask({"flavor": {"description": "d"}})],
    f"DELETE {_FLAVOR}": [Ask(where={"flavor_id": "$private"})],
    f"POST {_FLAVOR}/os-extra_specs": [Ask({"extra_specs": {"hw:mem_page_size": "small"}})],
    f"PUT {_FLAVOR}/os-extra_specs/{{key}}": [Ask({"hw:cpu_policy": "shared"})],
    f"POST {_FLAVOR}/action (addTenantAccess)": [
        Ask({"addTenantAccess": {"tenant": "$far"}}, where={"flavor_id": "$private"}),
    ],
    f"POST {_FLAVOR}/action (removeTenantAccess)": [
        Ask({"removeTenantAccess": {"tenant": "$own"}}, where={"flavor_id": "$private"}),
    ],
    "POST /v2.1/os-keypairs": [Ask({"keypair": {"name": "new", "public_key": "$public_key"}})],
    f"PUT {_QUOTA}": [Ask({"quota_set": {"cores": 50}})],
    "PUT /v2.1/os-quota-class-sets/{name}": [Ask({"quota_class_set": {"cores": 50}}, where={"name": "default"})],
    "PUT /v2.1/os-services/{service_id}": [Ask({"status": "disabled"})],
    "DELETE /v2.1/os-services/{service_id}": [Ask()],
    "PUT /v2.1/os-services/{action} up to 2.52": [Ask({"host": "h", "binary": "nova-compute"})],
    "GET /v2.1/servers": [
        Ask(shows="$server_id"),
        Ask(label="of all projects", query="all_tenants=1", shows="$server_id"),
    ],
    "GET /v2.1/servers/detail": [Ask(shows="$server_id")],
    "POST /v2.1/servers": [
        Ask({"server": {"name": "new", "flavorRef": "$flavor_id", "imageRef": "$image_id", "networks": "none"}})
    ],
    f"PUT {_SERVER}": [Ask({"server": {"name": "renamed"}})],
    f"POST {_SERVER}/remote-consoles": [Ask({"remote_console": {"protocol": "vnc", "type": "novnc"}})],
    **_action("os-start"),
    **_action("os-stop"),
    **_action("reboot", {"type": "HARD"}),
    **_action("forceDelete"),
    **_action("addSecurityGroup", {"name": "default"}),
    **_action("removeSecurityGroup", {"name": "default"}),
    **_action("os-getConsoleOutput", {}),
    **_action("os-getVNCConsole", {"type": "novnc"}, until="2.5"),
    **_action("addFloatingIp", {"address": "203.0.113.9"}, until="2.43"),
    **_action("removeFloatingIp", {"address": "203.0.113.9"}, until="2.43"),
    f"POST {_SERVER}/metadata": [Ask({"metadata": {"a": "b"}})],
    f"PUT {_SERVER}/metadata": [Ask({"metadata": {"a": "b"}})],
    f"PUT {_SERVER}/metadata/{{key}}": [Ask({"meta": {"hw:cpu_policy": "b"}})],
    f"PUT {_SERVER}/tags": [Ask({"tags": ["a"]})],
}


def build(world: World) -> None:
    """A server of *own* that found no host, a flavor for everybody and one for *own* alone, the owner's key."""
    ids, admin = world.ids, world.tokens["own admin"]

    def ask(method: str, path: str, body: Any, token: str = admin) -> Any:
        return world.ask(method, path, body, token, _VERSION, "compute")

    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEkoWP5bqNvXjoJ0bBqmCPVTbLkXE3f2BQyRM3JnZ0D x"
    ids.update(alias="servers", key="hw:cpu_policy", tag="tag", name="key", label="none", pattern="h", public_key=key)
    ids.update(ident="6d4c1a62-7d2e-4a4c-9a86-2a51b1d6a1f0", service_id="6d4c1a62-7d2e-4a4c-9a86-2a51b1d6a1f0")
    ids.update(port_id="6d4c1a62-7d2e-4a4c-9a86-2a51b1d6a1f0", action="disable", project_id=ids["own"])
    for name, public in (("flavor_id", True), ("private", False)):
        flavor = _NEW_FLAVOR | {"name": name, "os-flavor-access:is_public": public}
        ids[name] = ask("POST", "/v2.1/flavors", {"flavor": flavor})["flavor"]["id"]
    ask("POST", f"/v2.1/flavors/{ids['flavor_id']}/os-extra_specs", {"extra_specs": {"hw:cpu_policy": "shared"}})
    ask("POST", "/v2.1/os-keypairs", {"keypair": {"name": "key", "public_key": key}}, world.owner)
    image = {"name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    ids["image_id"] = world.ask("POST", "/v2/images", image, admin, None, "image")["id"]
    octets = {"content-type": "application/octet-stream"}
    world.ask("PUT", f"/v2/images/{ids['image_id']}/file", b"x" * 512, admin, octets, "image")
    server = {"name": "s", "flavorRef": ids["flavor_id"], "imageRef": ids["image_id"], "networks": "none"}
    server |= {"metadata": {"hw:cpu_policy": "a"}, "tags": ["tag"]}
    ids["server_id"] = ask("POST", "/v2.1/servers", {"server": server}, world.owner)["server"]["id"]
    actions = ask("GET", f"/v2.1/servers/{ids['server_id']}/os-instance-actions", None)["instanceActions"]
    ids["request_id"] = actions[0]["request_id"]
