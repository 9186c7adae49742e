"""What a first user wants to find: flavors, an image, an external network, and demo's own network and router.

All of it is made through the public APIs, with a token that needs no user's password, and looked up by name before it
is made, so that an interrupted `up` is simply run again. It must never touch a database or a service's inside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cumulet.cli import link_client, machine
from cumulet.cli.api_client import ApiError, Session
from cumulet.cli.progress import Progress
from cumulet.config import Settings

# id, name, memory in MB, disk in GB, virtual CPUs: the guides' m1.nano, the classic five, and one that the
# tiny image is at ease in.
FLAVORS = [
    ("0", "m1.nano", 64, 1, 1),
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 20, 1),
    ("3", "m1.medium", 4096, 40, 2),
    ("4", "m1.large", 8192, 80, 4),
    ("5", "m1.xlarge", 16384, 160, 8),
    ("42", "m1.micro", 128, 1, 1),
]
IMAGE = "cirros"
SELFSERVICE_CIDR = "172.16.1.0/24"


THINGS = ("flavors", "provider-network", "demo-network", "image")
"""What is put into a cloud, once each: a mark in the database says so, and what is deleted afterwards stays deleted."""


def furnish(settings: Settings, image: Callable[[], Path | None], progress: Progress) -> bool:
    """Make what was never made; whether all of it is there now. `image` gives the image's file, or None when there is
    none to be had: then it is asked for again at the next `up`.

    A project that somebody has deleted or disabled is not furnished. Raises ApiError.
    """
    missing = [name for name in THINGS if name not in link_client.furnished(settings)]
    admin, demo = (link_client.session(settings, project) for project in ("admin", "demo")) if missing else (None, None)
    if "flavors" in missing and admin is not None:
        with progress.step("flavors"):
            flavors(admin)
            link_client.keep_furnished(settings, ["flavors"])
    if "provider-network" in missing or "demo-network" in missing:
        with progress.step("networks"):
            _networks(settings, missing, admin, demo)
    if "image" not in missing or admin is None:
        return True
    with progress.step(f"image {IMAGE}"):
        file = image()
        if file is not None:
            upload_image(admin, file, simulated=settings.simulated is not None)
            link_client.keep_furnished(settings, ["image"])
    return file is not None


def _networks(settings: Settings, missing: list[str], admin: Session | None, demo: Session | None) -> None:
    """The external network, and demo's behind it when there is one to be behind."""
    if "provider-network" in missing and admin is not None:
        provider_network(admin, settings)
        link_client.keep_furnished(settings, ["provider-network"])
    if "demo-network" in missing and demo is not None:
        provider = demo.named("network", "networks", "provider")
        demo_network(demo, settings, str(provider["id"]) if provider else None)
        link_client.keep_furnished(settings, ["demo-network"])


def flavors(admin: Session) -> None:
    """The flavors of FLAVORS that are missing, by name and by id."""
    known = admin.request("GET", "compute", "/flavors/detail?is_public=None")["flavors"]
    taken = {flavor["name"] for flavor in known} | {flavor["id"] for flavor in known}
    for flavor_id, name, memory_mb, disk_gb, vcpus in FLAVORS:
        if name in taken or flavor_id in taken:
            continue
        body = {"id": flavor_id, "name": name, "ram": memory_mb, "disk": disk_gb, "vcpus": vcpus}
        _tolerate(409, lambda body=body: admin.request("POST", "compute", "/flavors", {"flavor": body}))  # type: ignore[misc]


def upload_image(admin: Session, file: Path, *, simulated: bool) -> None:
    """The small bootable image, public. An upload that was cut off is done again."""
    found = admin.named("image", "images", IMAGE)
    if found is None:
        body: dict[str, Any] = {
            "name": IMAGE,
            "container_format": "bare",
            "visibility": "public",
            "min_disk": 1,
        }
        if simulated:
            body |= {"disk_format": "raw", "min_ram": 0}
        else:
            from cumulet.node import imagebuild  # imported here: simulated hosts boot nothing that is built

            body |= {"disk_format": "qcow2"} | imagebuild.properties("tiny")
        found = admin.request("POST", "image", "/images", body)
    if found["status"] == "queued":
        with file.open("rb") as data:
            admin.upload("image", f"/images/{found['id']}/file", data)


def provider_network(admin: Session, settings: Settings) -> str:
    """The external network; its id.

    It is not shared: a guest plugged straight into it would find no DHCP there.
    """
    found = admin.named("network", "networks", "provider")
    if found is None:
        body = {
            "name": "provider",
            "provider:network_type": "flat",
            "provider:physical_network": "provider",
            "router:external": True,
        }
        found = admin.request("POST", "network", "/networks", {"network": body})["network"]
    network_id = str(found["id"])
    if admin.named("network", "subnets", "provider", network_id=network_id) is None:
        gateway, first, last = provider_addresses(settings.provider_cidr)
        body = {
            "name": "provider",
            "network_id": network_id,
            "ip_version": 4,
            "cidr": settings.provider_cidr,
            "gateway_ip": gateway,
            "enable_dhcp": False,
            "allocation_pools": [{"start": first, "end": last}],
        }
        admin.request("POST", "network", "/subnets", {"subnet": body})
    return network_id


def provider_addresses(cidr: str) -> tuple[str, str, str]:
    """Gateway, first and last address of the pool: .1 and .100 to .250 of a /24, in proportion for
    other sizes.
    """
    network = ipaddress.IPv4Network(cidr)
    size = network.num_addresses
    first, last = network[size * 100 // 256], network[min(size * 250 // 256, size - 2)]
    return str(network[1]), str(first), str(last)


def demo_network(demo: Session, settings: Settings, provider_id: str | None) -> None:
    """Network, subnet and router of the demo project, as the guides name them. `provider_id`: the external network;
    without one the router leads nowhere."""
    mine = {"project_id": demo.project_id}
    network = demo.named("network", "networks", "selfservice", **mine)
    if network is None:
        network = demo.request("POST", "network", "/networks", {"network": {"name": "selfservice"}})["network"]
    subnet = demo.named("network", "subnets", "selfservice", network_id=network["id"])
    if subnet is None:
        body = {"name": "selfservice", "network_id": network["id"], "ip_version": 4, "cidr": SELFSERVICE_CIDR}
        servers = settings.dns_servers or machine.name_servers()
        if servers:
            body["dns_nameservers"] = list(servers)
        subnet = demo.request("POST", "network", "/subnets", {"subnet": body})["subnet"]
    router = demo.named("network", "routers", "router", **mine)
    if router is None:
        body = {"name": "router"}
        if provider_id is not None:
            body["external_gateway_info"] = {"network_id": provider_id}
        router = demo.request("POST", "network", "/routers", {"router": body})["router"]
    ports = demo.request("GET", "network", f"/ports?device_id={router['id']}&network_id={network['id']}")["ports"]
    if not ports:
        path = f"/routers/{router['id']}/add_router_interface"
        demo.request("PUT", "network", path, {"subnet_id": subnet["id"]})


def _tolerate(code: int, action: Callable[[], object]) -> None:
    """Somebody else may make it between our look and our call."""
    try:
        action()
    except ApiError as error:
        if error.code != code:
            raise
