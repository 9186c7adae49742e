"""Shapes of desired state and of reports, as they cross the link between controller and node (JSON).

Four kinds of item exist: ``network``, ``security_group``, ``router`` and ``guest``. An item is addressed by
(host, kind, ref) and carries a revision that only rises; a receiver refuses a revision older than the one it has.
Ids are the resources' own UUIDs with dashes. Addresses are strings; sizes say their unit in the name. Every `record` is
for the controller alone, see `records`; journals of earlier releases have none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from cumulet.desired.records import (
    FloatingRecord,
    GroupRecord,
    GuestRecord,
    NetworkRecord,
    PortRecord,
    RouterRecord,
    SubnetRecord,
)

BINARY = "base64:"
"""What a content on a config drive begins with when the rest of it is base64."""

Kind = Literal["network", "security_group", "router", "guest"]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""A number that a database keeps in 32 bits."""


Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""µs since 1970."""


class Shape(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of every shape on the link: keyword only, defaults left out on the wire."""


# ---- network -----------------------------------------------------------------------------------------------


class Address(Shape):
    """One address of a port. `prefix` is the length of its subnet's mask."""

    ip: str
    subnet_id: str
    prefix: int


class Route(Shape):
    destination: str
    nexthop: str


class Subnet(Shape):
    id: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] = []
    host_routes: list[Route] = []
    record: SubnetRecord | None = None


class DhcpHost(Shape):
    """One port that dnsmasq answers. `extra_opts` are (option name or number, value) pairs, already validated. Only
    ports that no server has come with their record."""

    port_id: str
    mac: str
    hostname: str
    addresses: list[Address]
    extra_opts: list[tuple[str, str]] = []
    record: PortRecord | None = None


class Dhcp(Shape):
    """Present only on the host that serves DHCP for the network: namespace ``qdhcp-<network id>``."""

    port_id: str
    mac: str
    addresses: list[Address]
    hosts: list[DhcpHost] = []
    domain: str = "openstacklocal"


class Network(Shape):
    """A layer 2 network on this host: bridge ``brq<id[:11]>``.

    `kind` vxlan: port ``vxlan-<segmentation_id>`` with one flood entry per address in `peers`.
    `kind` flat: the bridge of the physical network `physical_network`; the node's own configuration says which
    interface (if any) is plugged into it and which address this machine has on it.
    """

    id: str
    kind: Literal["vxlan", "flat", "local"] = "vxlan"
    mtu: int = 1450
    segmentation_id: int | None = None
    physical_network: str | None = None
    peers: list[str] = []
    subnets: list[Subnet] = []
    dhcp: Dhcp | None = None
    record: NetworkRecord | None = None


# ---- security group ----------------------------------------------------------------------------------------


class Rule(Shape):
    """One rule as Neutron has it. `protocol` is a name or a number as text; for icmp the ports are type and code."""

    id: str
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str = ""


class SecurityGroup(Shape):
    """Rules of a group, and the addresses of all its members in the cloud (for rules that name it as remote)."""

    id: str
    rules: list[Rule] = []
    members: list[str] = []
    record: GroupRecord | None = None


# ---- router ------------------------------------------------------------------------------------------------


class RouterPort(Shape):
    """A leg of a router: ``qr-<port_id[:11]>`` (or ``qg-`` for the gateway) inside ``qrouter-<id>``, its other
    end ``tap<port_id[:11]>`` in the bridge of `network_id`."""

    port_id: str
    mac: str
    network_id: str
    addresses: list[Address]
    mtu: int = 1450
    record: PortRecord | None = None


class FloatingIp(Shape):
    id: str
    floating_ip: str
    fixed_ip: str
    record: FloatingRecord | None = None


class Router(Shape):
    id: str
    admin_state_up: bool = True
    ports: list[RouterPort] = []
    gateway: RouterPort | None = None
    gateway_ip: str | None = None
    enable_snat: bool = True
    floating_ips: list[FloatingIp] = []
    routes: list[Route] = []
    record: RouterRecord | None = None


# ---- guest -------------------------------------------------------------------------------------------------


class AddressPair(Shape):
    ip: str
    mac: str


class Interface(Shape):
    """A port plugged into the guest: tap device ``tap<port_id[:11]>`` in the bridge of `network_id`."""

    port_id: str
    network_id: str
    mac: str
    addresses: list[Address] = []
    mtu: int = 1450
    port_security: bool = True
    security_groups: list[str] = []
    allowed_address_pairs: list[AddressPair] = []
    admin_state_up: bool = True
    record: PortRecord | None = None


class LooseImage(Shape):
    """A kernel or a ramdisk beside a bare file system (ami): fetched and checked as the image itself is."""

    id: str
    size: int
    os_hash_value: str


class BootImage(Shape):
    """The image to boot from, fetched by the node over the link and cached by id + `os_hash_value` (sha512 hex).
    What it and its parts are was settled when the server was created; properties decide nothing about that here."""

    id: str
    disk_format: str
    size: int
    os_hash_value: str
    kernel: LooseImage | None = None
    ramdisk: LooseImage | None = None
    properties: dict[str, str] = {}
    name: str = ""


class Guest(Shape):
    """A virtual machine. Libvirt's domain name is `name` (``instance-00000001``), its UUID is `id`.

    Actions are state: `hard_reboots` and `soft_reboots` are counters that rose; `power` is what is wanted.
    `config_drive`: file path on the drive → content, or None for no drive; a content that begins with `BINARY` is
    that and base64, for what is not text. `simulated`: what a simulated host shall do otherwise (`simulation.deeds`).
    """

    id: str
    name: str
    display_name: str
    vcpus: int
    memory_mb: int
    root_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    image: BootImage | None = None
    interfaces: list[Interface] = []
    power: Literal["on", "off"] = "on"
    hard_reboots: int = 0
    soft_reboots: int = 0
    config_drive: dict[str, str] | None = None
    project_id: str = ""
    user_id: str = ""
    flavor_name: str = ""
    record: GuestRecord | None = None
    simulated: dict[str, str] = {}


SPECS: dict[str, type[Any]] = {"network": Network, "security_group": SecurityGroup, "router": Router, "guest": Guest}
"""What is said of an item, by its kind."""


# ---- whose a controller is ---------------------------------------------------------------------------------


class Cloud(Shape):
    """Who a controller is. `id` is its cloud's; the `epoch` rises when its rows were replaced by older ones, and the
    `run` is drawn anew at each start. `knows`: whether what the node that asks has seen is of these rows' past, so
    that they are no older than that."""

    id: str
    epoch: int
    run: str = ""
    knows: bool = True


class Seen(Shape):
    """The newest that a node has seen: revision `revision` of epoch `epoch` of the cloud `cloud_id`, from a controller
    in its run `run`. In a request's head it is one line, see `head`."""

    cloud_id: str
    epoch: int
    revision: int
    run: str = ""

    def head(self) -> str:
        """The text in a request's head."""
        return f"{self.cloud_id} {self.epoch} {self.revision} {self.run}".rstrip()


SEEN_HEADER = "X-Cumulet-Seen"
"""The line in the head of a node's requests. A node that has never seen a cloud says ``-`` there; one of before has no
such line."""


RENEW_HEADER = "X-Cumulet-Renew"
"""In the answer to a heartbeat: the node shall join again and get another secret."""


# ---- items and reports -------------------------------------------------------------------------------------


class Item(Shape):
    """One piece of desired state for one host. `gone` means: make it absent; then `spec` is None."""

    host: str
    kind: Kind
    ref: str
    revision: int
    gone: bool = False
    spec: Any = None


class Kept(Shape):
    """Something that is on a host though its controller has not told the node to have it. `why`: ``hold`` (the node
    does not take this controller's word) or ``strange`` (the controller has no word of it). `item` is what the node
    last knew of it, None when it has no memory of it; `cloud_id`, `epoch` and `revision` say who wanted it last."""

    host: str
    kind: Kind
    ref: str
    why: Literal["hold", "strange"]
    cloud_id: str = ""
    epoch: int = 0
    revision: int = 0
    item: Item | None = None
    facts: dict[str, Any] = {}


class Keeping(Shape):
    """All that a node keeps, in one request or several. `round` is a number that is the same for all of them and
    larger than the last time; with `last`, what earlier rounds said is over."""

    round: int
    kept: list[Kept] = []
    last: bool = False


class Strange(Shape):
    """Something of which the controller has no word, by id: the node asks whether it is unwanted. `run`: of the
    controller that told it last, at `revision`."""

    kind: Kind
    ref: str
    epoch: int = 0
    revision: int = 0
    run: str = ""


class Strangers(Shape):
    """A node asks about things that were strange for long."""

    strange: list[Strange]


class Unwanted(Shape):
    """Of those the controller affirms that it once had them and has no more, in its `epoch` and at `revision`."""

    epoch: int
    revision: int
    unwanted: list[Strange] = []


class Job(Shape):
    """A one-shot question to a node: `kind` console_log (args: guest, length), diagnostics or screenshot (guest); to
    one of simulated hosts also simulate (args: those of a `simulation.Order`)."""

    id: str
    host: str
    kind: Literal["console_log", "diagnostics", "screenshot", "simulate"]
    args: dict[str, Any] = {}


class JobDone(Shape):
    """The answer to a job; `result` is text (bytes as base64). Not `ok`: `result` is a sentence that says why."""

    id: str
    ok: bool
    result: str = ""


class Changes(Shape):
    """Answer of the long poll. `revision` is what to poll from next; `full` says that this is all that is wanted: of
    what is not listed nobody says that it is unwanted. `cloud`: who answers; a controller of before has no word for
    it."""

    revision: int
    items: list[Item] = []
    jobs: list[Job] = []
    full: bool = False
    cloud: Cloud | None = None


class Report(Shape):
    """What a node did about an item. `state`: ready, absent, failed or working. `error` is a sentence a tenant may
    read (no path, no command line); `detail` is for operators: why it failed, or what the node left out of an item that
    is ready otherwise. `facts` are a `GuestState` for guests, nothing for the other kinds."""

    host: str
    kind: Kind
    ref: str
    revision: int
    state: Literal["ready", "absent", "failed", "working"]
    error: str | None = None
    detail: str | None = None
    facts: dict[str, Any] = {}


class GuestState(Shape):
    """Facts of a report on a guest. `screen`: it has one now, at the place that follows from its id."""

    power_state: Literal["running", "shutdown", "paused", "crashed"] | None = None
    hard_reboots: Count = 0
    soft_reboots: Count = 0
    screen: bool = False


FACTS: dict[Kind, type[Shape]] = {"guest": GuestState}
"""Facts of a report, by the kind of its item; other kinds have none."""


class Reports(Shape):
    """What a node sends: reports and answers, in the order in which they happened."""

    reports: list[Report] = []
    jobs: list[JobDone] = []


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


class MetadataQuestion(Shape):
    """A guest's request to 169.254.169.254, as the node saw it. `network_id` is the network that it came from: a
    router has several, and an address means nothing without its network."""

    method: str
    path: str
    address: str
    network_id: str
    headers: dict[str, str] = {}
    body: str = ""
