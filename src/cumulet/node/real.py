"""The parts of a real host: guests on libvirt and QEMU, networks in the kernel, behind the agent's protocol.

Each kind of desired state has its part in `node/kinds`; here are the host itself and the questions about it. It never
decides what shall be.
"""

from __future__ import annotations

import base64
import grp
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network
from typing import Any

import msgspec

from cumulet import __version__
from cumulet.config import DEFAULT_STATE, Settings
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import Job, JobDone, MetadataQuestion
from cumulet.node import remembered
from cumulet.node.guest import kvmprobe
from cumulet.node.guest.errors import GuestError, HypervisorDown
from cumulet.node.guest.guests import Guests
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.kinds.guest import GuestPart
from cumulet.node.kinds.network import NetworkPart
from cumulet.node.kinds.part import KindPart
from cumulet.node.kinds.port import PortPart
from cumulet.node.kinds.router import RouterPart
from cumulet.node.kinds.security_group import SecurityGroupPart
from cumulet.node.link import Link, LinkError
from cumulet.node.net.parts import NetworkParts, ProviderConfig, ProxyReply, ProxyRequest
from cumulet.node.net.run import NodeError
from cumulet.node.parts import Observe, PartError, World

log = logging.getLogger("cumulet.node")

_LEAST_FREE_MB = 512
_CONSOLE_GROUP = "cumulet"


class RealParts:
    """This machine as a host. See `cumulet.node.parts.Parts` for the methods."""

    def __init__(self, settings: Settings, link: Link) -> None:
        self._settings, self._link = settings, link
        folder = settings.node_dir
        self._verdict = kvmprobe.probe(folder / "kvm.json")
        virt_type = self._verdict.virt_type if settings.virt_type == "auto" else settings.virt_type
        self._virt_type = virt_type
        self._daemon = HypervisorDaemon(folder, private=settings.state != DEFAULT_STATE, kvm=virt_type == "kvm")
        self._world: World | None = None
        self._facts: HostFacts | None = None
        guests = Guests(folder, self._daemon, link.image, virt_type, _console_group())
        net = NetworkParts(folder, provider_config(settings), self._ask_metadata, settings.node_tunnel_ip)
        self._assemble(guests, net)

    def _assemble(self, guests: Guests, net: NetworkParts) -> None:
        """A part for each kind of desired state, in the order in which one stands on another."""
        self._guests, self._net = guests, net
        networks = NetworkPart(net)
        self._ports = PortPart(net, networks, guests.folders)
        self._guest = GuestPart(guests, self._ports)
        self._kinds: Mapping[Kind, KindPart] = {
            "network": networks,
            "security_group": SecurityGroupPart(self._ports),
            "router": RouterPart(net, networks),
            "port": self._ports,
            "guest": self._guest,
        }

    # ---- converging ----------------------------------------------------------------------------------------------

    def ensure(self, item: Item, spec: Any, world: World) -> dict[str, Any]:
        """Make it so."""
        self._world = world  # the same one each time: guests' questions are answered from it when nobody else can
        with _told():
            return self._kinds[item.kind].ensure(spec, world)

    def absent(self, item: Item, world: World) -> None:
        """Make it gone."""
        with _told():
            self._kinds[item.kind].absent(item.ref, world)

    def has(self, guest_id: str) -> bool:
        """Whether the guest has its folder here, which comes before its domain and goes after it."""
        return guest_id in self._guests.folders()

    def strays(self, world: World) -> Sequence[tuple[Kind, str]]:
        """What is here of this cloud and of which nobody says what it shall be."""
        with _told():
            found = {kind: part.here() for kind, part in self._kinds.items()}
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
            self._ports.sweep(world)
            self._guests.sweep_images({spec.image.id for spec in wanted.values() if spec.image})
        return [(kind, ref) for kind in self._kinds for ref in world.specs(kind)]

    def switch_off(self, limit_s: float) -> tuple[int, int]:
        """All guests, as the host goes down; see `Guests.switch_off`."""
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
        self._guest.close()

    def purge(self) -> None:
        """Remove every guest and everything of the network that this cloud made."""
        for guest_id in self._guest.here():
            self._guests.absent(guest_id)
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
