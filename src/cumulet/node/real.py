"""The parts of a real host: guests on libvirt and QEMU, networks in the kernel, behind the agent's protocol.

It joins the two: before a guest starts, its networks, filters and taps are there. It never decides what shall be.
"""

from __future__ import annotations

import base64
import grp
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Network
from typing import Any, TypeVar

import msgspec

from cumulet import __version__
from cumulet.config import DEFAULT_STATE, Settings
from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item
from cumulet.desired.kinds import Kind
from cumulet.desired.port import Interface
from cumulet.desired.questions import Job, JobDone, MetadataQuestion
from cumulet.node import remembered
from cumulet.node.guest import kvmprobe
from cumulet.node.guest.errors import GuestError, HypervisorDown
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.guest.parts import GuestParts
from cumulet.node.link import Link, LinkError
from cumulet.node.net import intake
from cumulet.node.net.parts import NetworkParts, ProviderConfig, ProxyReply, ProxyRequest
from cumulet.node.net.run import NodeError
from cumulet.node.parts import NotYet, Observe, PartError, World

log = logging.getLogger("cumulet.node")

_LEAST_FREE_MB = 512
_CONSOLE_GROUP = "cumulet"
_PATIENCE_S = 60.0
T = TypeVar("T")


class RealParts:
    """This machine as a host. See `cumulet.node.parts.Parts` for the methods."""

    def __init__(self, settings: Settings, link: Link) -> None:
        self._settings, self._link = settings, link
        folder = settings.node_dir
        self._verdict = kvmprobe.probe(folder / "kvm.json")
        virt_type = self._verdict.virt_type if settings.virt_type == "auto" else settings.virt_type
        self._virt_type = virt_type
        self._daemon = HypervisorDaemon(folder, private=settings.state != DEFAULT_STATE, kvm=virt_type == "kvm")
        self._guests = GuestParts(folder, self._daemon, link.image, virt_type, _console_group())
        self._net = NetworkParts(folder, provider_config(settings), self._ask_metadata, settings.node_tunnel_ip)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="interfaces")
        self._networks: dict[str, Any] = {}
        self._ports: dict[str, set[str]] = {}
        self._world: World | None = None
        self._facts: HostFacts | None = None
        self._away_since: float | None = None

    # ---- converging ----------------------------------------------------------------------------------------------

    def ensure(self, item: Item, spec: Any, world: World) -> dict[str, Any]:
        """Make it so."""
        self._world = world  # the same one each time: guests' questions are answered from it when nobody else can
        with _told():
            if item.kind == "network":
                return {"left_out": self._ensure_network(spec)}
            elif item.kind == "security_group":
                closed = self._ensure_filters(world)
                own = [reason for each, reason in closed if spec.id in each.security_groups]
                return {"left_out": [*intake.group(spec).left_out, *own]}
            elif item.kind == "router":
                legs = [*spec.ports, *([spec.gateway] if spec.gateway else [])]
                self._ensure_networks([leg.network_id for leg in legs], world)
                return {"left_out": self._net.ensure_router(spec)}
            else:
                return self._ensure_guest(spec, world)

    def _ensure_network(self, spec: Any) -> list[str]:
        self._networks.pop(spec.id, None)
        left_out = self._net.ensure_network(spec)
        self._networks[spec.id] = spec
        return left_out

    def _ensure_networks(self, ids: Sequence[str], world: World) -> None:
        """The networks that something stands on, in the state that is wanted now."""
        for network_id in dict.fromkeys(ids):
            spec = world.spec("network", network_id)
            if spec is None:
                raise NotYet(f"network {network_id} is not known here yet")
            if self._networks.get(network_id) is None:
                self._ensure_network(spec)

    def _ensure_filters(self, world: World) -> list[tuple[Interface, str]]:
        """Filter all ports; those that are closed, and why."""
        guests = [intake.guest(guest).spec for guest in world.specs("guest").values()]
        interfaces = [interface for guest in guests for interface in guest.interfaces]
        groups = world.specs("security_group")
        if world.complete and not self._strangers(world):
            closed = self._net.ensure_ports(interfaces, groups)
        else:  # ports that are not known yet are not to be closed
            reasons = {each.port_id: self._net.ensure_port(each, groups) for each in interfaces}
            closed = {port_id: reason for port_id, reason in reasons.items() if reason is not None}
        for port_id, reason in closed.items():
            log.error("port %s is closed: %s", port_id, reason)
        return [
            (each, f"port {each.port_id} is closed: {closed[each.port_id]}")
            for each in interfaces
            if each.port_id in closed
        ]

    def _ensure_guest(self, spec: Guest, world: World) -> dict[str, Any]:
        groups = world.specs("security_group")
        taken = intake.guest(spec)
        spec = taken.spec
        for interface in spec.interfaces:
            missing = [group for group in interface.security_groups if group not in groups]
            if missing or world.spec("network", interface.network_id) is None:
                raise NotYet(f"port {interface.port_id} waits for its network or security groups")
        self._ports.setdefault(spec.id, set()).update(each.port_id for each in spec.interfaces)
        plugged: list[Future[list[str]]] = []
        left_out: list[str] = []
        if spec.power == "on":  # beside libvirt's work, which takes longer
            plugged = [self._pool.submit(self._plug, each, world) for each in spec.interfaces]

        def interfaces_ready() -> None:
            left_out[:] = [reason for future in plugged for reason in future.result()]

        facts = self._patiently(lambda: self._guests.ensure(spec, interfaces_ready))
        interfaces_ready()
        return {
            "state": facts.state,
            "power_state": facts.power_state,
            "hard_reboots": facts.hard_reboots,
            "soft_reboots": facts.soft_reboots,
            "screen": facts.vnc is not None,
            "again_in": facts.again_in,
            "left_out": [*taken.left_out, *left_out],
        }

    def _patiently(self, work: Callable[[], T]) -> T:
        """A hypervisor that is away for a while fails nothing: it is asked again."""
        try:
            done = work()
        except HypervisorDown as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
            if time.monotonic() - self._away_since < _PATIENCE_S:
                raise NotYet(error.message, 2.0) from error
            raise
        self._away_since = None
        return done

    def _plug(self, interface: Interface, world: World) -> list[str]:
        """Filter the port and plug it in; what of it was left out, and why it is closed if it is."""
        self._ensure_networks([interface.network_id], world)
        said = [f"port {interface.port_id}: {reason}" for reason in intake.interface(interface).left_out]
        reason = self._net.ensure_port(interface, world.specs("security_group"))
        if reason is not None:
            log.error("port %s is closed: %s", interface.port_id, reason)
            said.append(f"port {interface.port_id} is closed: {reason}")
        self._net.plug(interface)
        return said

    def absent(self, item: Item, world: World) -> None:
        """Make it gone."""
        with _told():
            if item.kind == "network":
                self._networks.pop(item.ref, None)
                self._net.absent_network(item.ref)
            elif item.kind == "router":
                self._net.absent_router(item.ref)
            elif item.kind == "security_group":
                self._ensure_filters(world)
            else:
                self._patiently(lambda: self._guests.absent(item.ref))
                own = self._ports.pop(item.ref, set())
                for port_id in own - self._wanted_ports(world):
                    self._net.absent_port(port_id)
                if world.complete:
                    self._sweep_ports(world)

    def _strangers(self, world: World) -> Set[str]:
        """Guests that are here and of which nobody says what they shall be: whose ports are whose is not known."""
        return set(self._guests.folders()) - world.specs("guest").keys()

    @staticmethod
    def _wanted_ports(world: World) -> set[str]:
        return {each.port_id for guest in world.specs("guest").values() for each in guest.interfaces}

    def _sweep_ports(self, world: World) -> None:
        """Remove ports of guests that are gone, when all that are here are known."""
        if not self._strangers(world):
            self._net.sweep_ports(self._wanted_ports(world))

    def has(self, guest_id: str) -> bool:
        """Whether the guest has its folder here, which comes before its domain and goes after it."""
        return guest_id in self._guests.folders()

    def strays(self, world: World) -> Sequence[tuple[Kind, str]]:
        """Guests, networks and routers of this cloud of which nobody says what they shall be."""
        with _told():
            guests = {facts.id for facts in self._guests.observe()} | set(self._guests.leftovers())
            net = self._net.observe()
        found: dict[Kind, Set[str]] = {"guest": guests, "network": net.networks, "router": net.routers}
        return [
            (kind, ref)
            for kind, refs in found.items()
            for ref in sorted(refs - world.specs(kind).keys() - world.refused(kind))
        ]

    def sweep(self, world: World) -> Sequence[tuple[Kind, str]]:
        """Remove ports and cached images that nobody uses; everything wanted is looked at again, which mends what
        died."""
        with _told():
            wanted = world.specs("guest")
            self._sweep_ports(world)
            self._guests.sweep_images({spec.image.id for spec in wanted.values() if spec.image})
        kinds: tuple[Kind, ...] = ("network", "security_group", "router", "guest")
        return [(kind, ref) for kind in kinds for ref in world.specs(kind)]

    def switch_off(self, limit_s: float) -> tuple[int, int]:
        """All guests, as the host goes down; see `GuestParts.switch_off`."""
        with _told():
            return self._guests.switch_off(limit_s)

    # ---- questions -----------------------------------------------------------------------------------------------

    def answer(self, job: Job) -> JobDone:
        """Answer a one-shot question about a guest."""
        guest = str(job.args["guest"])
        with _told():
            if job.kind == "console_log":
                length = job.args.get("length")
                data = self._guests.console_log(guest, None if length is None else int(length))
            elif job.kind == "screenshot":
                data = self._guests.screenshot(guest)
            else:
                data = json.dumps(self._guests.diagnostics(guest)).encode()
        return JobDone(id=job.id, ok=True, result=base64.b64encode(data).decode())

    def _ask_metadata(self, request: ProxyRequest) -> ProxyReply:
        question = MetadataQuestion(
            method=request.method,
            path=request.path,
            address=request.source,
            network_id=request.network_id,
            headers=request.headers,
            body=base64.b64encode(request.body).decode(),
        )
        try:
            answer = self._link.metadata(question)
        except LinkError as error:
            known = None if self._world is None else remembered.answer(request, self._world)
            if known is not None:
                return known
            log.warning("metadata for %s: %s", request.source, error)
            return ProxyReply(503, {"Content-Type": "text/plain"}, remembered.AWAY)
        kept = {name: value for name, value in answer.headers.items() if name.lower() == "content-type"}
        return ProxyReply(answer.status, kept, answer.body)

    # ---- the host ------------------------------------------------------------------------------------------------

    def facts(self) -> list[HostFacts]:
        """This machine, with its problems; the last known sizes while the hypervisor is away."""
        problems = []
        try:
            numbers = self._guests.host_numbers()
            self._facts = HostFacts(
                hostname=self._settings.node_name,
                vcpus=numbers.vcpus,
                memory_mb=numbers.memory_mb,
                disk_gb=numbers.disk_gb,
                hypervisor_version=numbers.hypervisor_version,
                virt_type=self._virt_type,
                cpu_info=numbers.cpu_info,
                tunnel_ip=self._settings.node_tunnel_ip,
                bridge_mappings=["provider"],
                version=__version__,
            )
        except HypervisorDown as error:
            why = self._daemon.problem or error.detail.split("\n")[0]
            problems.append(f"{error.message} {why}; {self._settings.node_dir}/libvirt/libvirtd.log says more")
        except GuestError as error:
            problems.append(f"{error.message} {error.detail}".strip())
        free_mb = shutil.disk_usage(self._settings.node_dir).free >> 20
        if free_mb < _LEAST_FREE_MB:
            problems.append(f"only {free_mb} MB are free for guests' disks in {self._settings.node_dir}")
        if self._facts is None:
            raise PartError("The hypervisor does not answer.", "; ".join(problems))
        # A copy: the agent compares what it is given with what it was given before.
        notes = [self._verdict.sentence, self._daemon.note]
        return [msgspec.structs.replace(self._facts, problems=problems, notes=notes)]

    def start(self, observe: Observe) -> None:
        """Watch guests that stop by themselves."""
        self._guests.events(lambda uuid, _event: observe("guest", uuid))

    def stop(self) -> None:
        """Stop watching; guests, taps and dnsmasq run on."""
        self._net.close()
        self._guests.close()
        self._pool.shutdown(wait=False)

    def purge(self) -> None:
        """Remove every guest and everything of the network that this cloud made."""
        for stray in {facts.id for facts in self._guests.observe()} | set(self._guests.leftovers()):
            self._guests.absent(stray)
        self._net.purge()
        self._guests.close()
        self._daemon.purge()


def provider_config(settings: Settings) -> ProviderConfig:
    """This machine is the external network's gateway unless a network card leads to a real one."""
    if settings.provider_interface:
        return ProviderConfig(interface=settings.provider_interface)
    network = IPv4Network(settings.provider_cidr)
    return ProviderConfig(address=f"{network[1]}/{network.prefixlen}", masquerade=True)


def _console_group() -> int | None:
    try:
        return grp.getgrnam(_CONSOLE_GROUP).gr_gid
    except KeyError:
        return None


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the parts as the agent knows them."""
    try:
        yield
    except GuestError as error:
        raise PartError(error.message, error.detail) from error
    except (NodeError, ValueError) as error:
        raise PartError("The host could not set up the network.", str(error)) from error
