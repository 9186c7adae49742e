"""DHCP for a network: namespace ``qdhcp-<id>``, a port in the bridge, and one dnsmasq with its files.

It is never root: it starts as a user of its own that may do three things with a network and nothing else, and
of its files it may write the leases alone. So its pid file is ours to write. The process is known by that file
and by what /proc says it was started with; no other process is ever signalled. The files are runtime state under
/run.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from cumulet.desired import texts
from cumulet.desired.network import Network
from cumulet.node import users
from cumulet.node.net import leases, names
from cumulet.node.net.links import (
    change,
    change_each,
    delete_namespace,
    ensure_leg,
    ensure_namespace,
    links,
    set_addresses,
)
from cumulet.node.net.run import NodeError, readable_folder, run, write_whole

_LEASE_S = 86400
_MOST_LEASES = 1 << 24
_OF_OLDER_VERSIONS = (0, 65534)
"""Root, and nobody, whom a dnsmasq that starts as root becomes."""
_LEASES_BYTES = 32 << 20
"""Of the file of leases that is read: more than a network has ports, and dnsmasq may write what it likes."""
_RIGHTS = ("net_admin", "net_raw", "net_bind_service")
"""Answering a guest that has no address yet, asking whether an address is taken, and ports 53 and 67; all of them only
in the network's namespace."""


class DhcpServers:
    """All dnsmasq of one cloud on this host; files in `folder`/<network id>."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self, network: Network, routed: Set[leases.Leg] = frozenset()) -> list[str]:
        """Serve DHCP as `network.dhcp` says; `routed` are the legs of routers here. Returns what could not be done of
        it.

        ValueError or NodeCommandError when it cannot be done at all.
        """
        if network.dhcp is None or not leases.served(network):
            self.absent(network.id)
            return []
        failed = self._ensure_device(network)
        place = self._place(network.id)
        fragile = _has_tags(place)
        user = _user(place)
        readable_folder(self._folder)
        place.mkdir(exist_ok=True)
        os.chown(place, 0, user.gid)
        place.chmod(0o710)
        changed = self._write(network, routed, place)
        arguments = self._arguments(network, place)
        pid = self._pid(place)
        stale = self._drop_stale_leases(place, network)
        wrong = pid is not None and (_arguments_of(pid) != arguments or _user_of(pid) != user.uid)
        if pid is not None and (stale or wrong or (changed and fragile)):
            _stop(pid, arguments[0])
            self._drop_stale_leases(place, network, write=True)
            pid = None
        if pid is not None and changed:
            try:
                os.kill(pid, signal.SIGHUP)
            except ProcessLookupError:  # it died a moment ago
                pid = None
        if pid is None:
            self._start(network, place, arguments, user)
        return failed

    def _start(self, network: Network, place: Path, arguments: list[str], user: users.User) -> None:
        leased = place / "leases"
        leased.touch(0o600)
        users.give(leased, user)
        run(*users.dropped(user, keep=_RIGHTS), *arguments, netns=names.dhcp_namespace(network.id))
        if self._pid(place) is None:
            raise NodeError(f"dnsmasq of network {network.id} ended as soon as it was started")

    def absent(self, network_id: str) -> None:
        """Stop dnsmasq and remove its namespace, port and files."""
        place = self._place(network_id)
        pid = self._pid(place)
        if pid is not None:
            _stop(pid, "dnsmasq")
        delete_namespace(names.dhcp_namespace(network_id))
        shutil.rmtree(place, ignore_errors=True)

    def running(self, network_id: str) -> bool:
        """Whether the network's dnsmasq lives."""
        return self._pid(self._place(network_id)) is not None

    def _place(self, network_id: str) -> Path:
        return self._folder / names.checked(network_id)

    def _ensure_device(self, network: Network) -> list[str]:
        dhcp = network.dhcp
        assert dhcp is not None
        namespace, inside = names.dhcp_namespace(network.id), names.dhcp_device(dhcp.port_id)
        made = ensure_namespace(namespace, {"net.ipv6.conf.default.accept_ra": "0"})
        if not made:
            for link in links(namespace).values():
                if link.kind == "veth" and link.name != inside:
                    change([["link", "del", "dev", link.name]], namespace)
        tap = names.tap(dhcp.port_id)
        ensure_leg(namespace, inside, tap, names.bridge(network.id), dhcp.mac, network.mtu)
        wanted = [f"{texts.address(each.ip)}/{each.prefix}" for each in dhcp.addresses]
        wanted.append(f"{names.METADATA_ADDRESS}/32")
        commands = set_addresses(links(namespace)[inside], wanted) + _default_route(network, inside)
        return change_each(commands, namespace)

    def _write(self, network: Network, routed: Set[leases.Leg], place: Path) -> bool:
        texts = {
            "host": leases.hosts(network),
            "addn_hosts": leases.additional_hosts(network),
            "opts": leases.options(network, routed),
        }
        written = [write_whole(place / name, text) for name, text in texts.items()]
        return any(written)

    def _arguments(self, network: Network, place: Path) -> list[str]:
        dhcp = network.dhcp
        assert dhcp is not None
        ranges = []
        for subnet in leases.served(network):
            cidr = texts.prefix(subnet.cidr)
            ranges.append(
                f"--dhcp-range=set:subnet-{names.checked(subnet.id)},{cidr.network_address},static,{cidr.netmask},{_LEASE_S}s"
            )
        suffix = leases.domain(network)
        leased = sum(texts.prefix(each.cidr).num_addresses for each in leases.served(network))
        return [
            "dnsmasq",
            "--no-hosts",
            "--no-resolv",
            f"--pid-file={place}/pid",
            f"--dhcp-hostsfile={place}/host",
            f"--addn-hosts={place}/addn_hosts",
            f"--dhcp-optsfile={place}/opts",
            f"--dhcp-leasefile={place}/leases",
            "--dhcp-match=set:ipxe,175",
            "--local-service",
            "--bind-dynamic",
            f"--interface={names.dhcp_device(dhcp.port_id)}",
            *ranges,
            f"--dhcp-option-force=option:mtu,{network.mtu}",
            f"--dhcp-lease-max={min(_MOST_LEASES, leased)}",
            "--conf-file=",
            *([f"--domain={suffix}"] if suffix else []),
        ]

    def _pid(self, place: Path) -> int | None:
        """The pid of the dnsmasq that uses this folder; None when none runs.

        Without a pid file, or with a stale one, it is looked for: it may have been started by us a moment before our
        own end.
        """
        try:
            pid = int((place / "pid").read_text())
        except (FileNotFoundError, ValueError):
            pid = 0
        if _serves(pid, place):
            return pid
        found = _find(place)
        if found is not None:
            write_whole(place / "pid", f"{found}\n")
        return found

    def _drop_stale_leases(self, place: Path, network: Network, write: bool = False) -> bool:
        """Whether there are leases of ports that are gone. An address given to a new port would else be
        refused."""
        dhcp = network.dhcp
        hosts = dhcp.hosts if dhcp else []
        valid = {(host.mac.lower(), each.ip) for host in hosts for each in host.addresses}
        path = place / "leases"
        try:
            with path.open("rb") as file:
                text = file.read(_LEASES_BYTES + 1)
        except FileNotFoundError:
            return False
        lines = text.decode(errors="replace").splitlines(keepends=True)
        kept = [] if len(text) > _LEASES_BYTES else [line for line in lines if _is_valid(line, valid)]
        if write and len(kept) != len(lines):
            path.unlink()
            write_whole(path, "".join(kept), 0o600)
        return len(kept) != len(lines)


def _is_valid(lease: str, valid: Set[tuple[str, str]]) -> bool:
    """Whether a line is a lease of these (MAC, address), or none at all."""
    words = lease.split(maxsplit=4)
    return len(words) < 4 or (words[1], words[2]) in valid


def _has_tags(place: Path) -> bool:
    """Whether a host that the running dnsmasq has read carries a tag, as those with options of their own do.

    dnsmasq up to 2.90 frees a tag that is not its own when it reads such hosts anew after one of them had a lease, and
    dies: one port's option would end DHCP for its whole network. It is started anew instead.
    """
    try:
        return ",set:" in (place / "host").read_text()
    except FileNotFoundError:
        return False


def _default_route(network: Network, device: str) -> list[list[str]]:
    """The command for it: answers to names and metadata go back to where guests of routed subnets are."""
    own = {each.subnet_id for each in network.dhcp.addresses} if network.dhcp else set()
    gateways = [
        str(texts.address(each.gateway_ip))
        for each in leases.served(network)
        if each.gateway_ip and each.id in own and texts.address(each.gateway_ip) in texts.prefix(each.cidr)
    ]
    return [["route", "replace", "default", "via", gateways[0], "dev", device]] if gateways else []


def _find(place: Path) -> int | None:
    """The dnsmasq that uses this folder, among all processes."""
    if not place.exists():
        return None
    with os.scandir("/proc") as entries:
        running = [int(each.name) for each in entries if each.name.isascii() and each.name.isdigit()]
    return next((pid for pid in running if _serves(pid, place)), None)


def _serves(pid: int, place: Path) -> bool:
    """Whether it is that dnsmasq: by its arguments, which every process may choose, and by whose it is."""
    if _user_of(pid) not in (*_OF_OLDER_VERSIONS, _user(place).uid):
        return False
    arguments = _arguments_of(pid)
    return f"--pid-file={place}/pid" in arguments and arguments[0].endswith("dnsmasq")


def _user(place: Path) -> users.User:
    """Whom the dnsmasq with this folder runs as."""
    return users.derived("dhcp", str(place.parent), place.name)


def _user_of(pid: int) -> int | None:
    """Whose a process is. Its folder below /proc says root for whoever does not want to be traced."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return None
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("Uid:")), None)


def _arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _ended(pid: int) -> bool:
    """Whether a process is gone or a zombie. Its arguments go before its sockets do, which the next one needs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def _stop(pid: int, program: str) -> None:
    """End a process that was verified just before; wait until it is gone or a zombie."""
    mine = _arguments_of(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    for attempt in range(200):
        if _ended(pid) or _arguments_of(pid) not in (mine, []):
            return
        if attempt == 100:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    raise NodeError(f"{program} (pid {pid}) does not end")
