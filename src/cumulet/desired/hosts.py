"""What a node says of itself: when it joins, and with each heartbeat."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.desired.clouds import Cloud
from cumulet.desired.shape import Count, Moment, Shape


class HostFacts(Shape):
    """What a host says of itself when it joins and with each heartbeat. `problems` and `notes` are sentences
    for ``status``; `version` is the node's own, which 0.1.0 did not say. `silent`: a simulated host that plays dead,
    whose node is heard of."""

    hostname: str
    vcpus: Count
    memory_mb: Count
    disk_gb: Count
    hypervisor_type: str = "QEMU"
    hypervisor_version: Count = 0
    virt_type: str = "qemu"
    cpu_info: dict[str, Any] = {}
    tunnel_ip: str | None = None
    simulated: bool = False
    roles: list[str] = msgspec.field(default_factory=lambda: ["compute", "network"])
    bridge_mappings: list[str] = []
    problems: list[str] = []
    notes: list[str] = []
    silent: bool = False
    version: str = ""


class Join(Shape):
    """A node asks to be one of the cloud's. Its name and what lets it in stand in the request's head."""

    hosts: list[HostFacts]


class Joined(Shape):
    """The node's credentials on the link; `secret` is shown once."""

    link_id: str
    secret: str
    cloud: Cloud | None = None


class Heartbeat(Shape):
    """ "I am alive"; `hosts` holds facts of those that changed since the last one. `hold`: why this node takes nothing
    from this controller and keeps all it has, a sentence. `complete`: `hosts` are all that the node has, and others
    that it once named are gone; a node of before never says so. `clock_us`: what the node's clock shows, in µs since
    1970. `restarts`: how often the node was started again since its supervisor began."""

    hosts: list[HostFacts] = []
    complete: bool = False
    hold: str | None = None
    clock_us: Moment | None = None
    restarts: Count = 0


RENEW_HEADER = "X-Cumulet-Renew"
"""In the answer to a heartbeat: the node shall join again and get another secret."""
