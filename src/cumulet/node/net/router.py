"""A router: namespace ``qrouter-<id>`` with its legs, routes, and address translation.

Never routes in this machine's own namespace.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from cumulet.desired import texts
from cumulet.desired.router import Router, RouterPort
from cumulet.node import users
from cumulet.node.net import bridge, conntrack, names, nat
from cumulet.node.net.links import (
    Commands,
    change_each,
    delete_device,
    delete_namespace,
    ensure_leg,
    ensure_namespace,
    links,
    set_addresses,
)
from cumulet.node.net.run import NodeCommandError, run

_SETTINGS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv4.ip_nonlocal_bind": "0",
    # What comes in through a leg must come from behind it: a router is no way round the filters of ports.
    "net.ipv4.conf.all.rp_filter": "1",
}


class Routers:
    """All routers of one cloud on this host."""

    def __init__(self) -> None:
        # Router id → (wanted text, what iptables-save and its sister said after it was applied).
        self._tables: dict[str, tuple[str, str]] = {}

    def ensure(self, router: Router) -> list[str]:
        """Make the router as wanted; one that is administratively down does not exist here. Returns which addresses
        and routes the kernel refuses, and why: they do not keep the others from being there."""
        if not router.admin_state_up:
            self.absent(router.id)
            return []
        namespace = names.router_namespace(router.id)
        ensure_namespace(namespace, _SETTINGS)
        legs = _legs(router)
        for name, link in links(namespace).items():
            if link.kind == "veth" and name not in legs:
                delete_device(name, namespace)
        for device, port in legs.items():
            bridge.ensure_exists(port.network_id, port.mtu)
            ensure_leg(namespace, device, names.tap(port.port_id), names.bridge(port.network_id), port.mac, port.mtu)
        gone, failed = self._settle_addresses(router, namespace, legs)
        self._settle_tables(router, namespace)
        failed += _settle_routes(router, namespace)
        for floating_ip in gone:
            conntrack.forget_floating(floating_ip, namespace)
        return failed

    def absent(self, router_id: str) -> None:
        """Remove the router with its legs."""
        self._tables.pop(router_id, None)
        delete_namespace(names.router_namespace(router_id))

    def _settle_addresses(
        self, router: Router, namespace: str, legs: dict[str, RouterPort]
    ) -> tuple[list[str], list[str]]:
        """Give the legs their addresses, announce new ones; returns floating IPs that are no longer there, and what
        failed."""
        there = links(namespace)
        commands: Commands = []
        announce: list[tuple[str, str]] = []
        gone: list[str] = []
        for device, port in legs.items():
            wanted = [f"{texts.address(each.ip)}/{each.prefix}" for each in port.addresses]
            if port is router.gateway:
                wanted += [f"{texts.of_version(each.floating_ip, 4)}/32" for each in router.floating_ips]
                gone = [each[:-3] for each in there[device].addresses - set(wanted) if each.endswith("/32")]
            commands += set_addresses(there[device], wanted)
            announce += [(device, each.split("/")[0]) for each in wanted if each not in there[device].addresses]
        failed = change_each(commands, namespace)
        if announce:
            threading.Thread(target=_announce, args=(namespace, announce), daemon=True).start()
        return gone, failed

    def _settle_tables(self, router: Router, namespace: str) -> None:
        wanted = nat.render(router)
        known = self._tables.get(router.id)
        if known and known[0] == wanted and known[1] == _saved(namespace):
            return
        run("iptables-restore", "--wait", "5", stdin=wanted, netns=namespace)
        run("ip6tables-restore", "--wait", "5", stdin=nat.SOURCES6, netns=namespace)
        self._tables[router.id] = (wanted, _saved(namespace))


def _legs(router: Router) -> dict[str, RouterPort]:
    legs = {names.router_device(port.port_id): port for port in router.ports}
    if router.gateway:
        legs[names.gateway_device(router.gateway.port_id)] = router.gateway
    return legs


def routes(router: Router) -> dict[str, list[str]]:
    """The default route by the gateway, and the extra routes: destination → the way there, as ``ip route`` takes it.

    A network that the router has a leg on is reached there: a route into it is left out, whoever asked for it.
    """
    own = [each for leg in _legs(router).values() for each in leg.addresses]
    connected = [texts.prefix(f"{each.ip}/{each.prefix}") for each in own]
    wanted: dict[str, list[str]] = {}
    if router.gateway and router.gateway_ip:
        device = names.gateway_device(router.gateway.port_id)
        wanted["default"] = ["via", str(texts.address(router.gateway_ip)), "dev", device]
    for route in router.routes:
        to = texts.prefix(route.destination)
        if not any(to.version == net.version and to.subnet_of(net) for net in connected):  # type: ignore[arg-type]
            wanted[str(to)] = ["via", str(texts.address(route.nexthop))]
    return wanted


def _settle_routes(router: Router, namespace: str) -> list[str]:
    """The routes, and no others of ours (protocol static); returns those that the kernel refuses."""
    wanted = routes(router)
    shown = run("ip", "-n", namespace, "-o", "route", "show", "proto", "static").stdout.splitlines()
    found = {line.split()[0]: line.split()[1:] for line in shown if line.split()}
    commands: Commands = []
    for destination in found:
        full = destination if destination == "default" or "/" in destination else f"{destination}/32"
        if full not in wanted:
            commands.append(["route", "del", full, "proto", "static"])
    for destination, way in wanted.items():
        short = destination.removesuffix("/32")
        if found.get(short, [])[: len(way)] != way:
            commands.append(["route", "replace", destination, *way, "proto", "static"])
    return change_each(commands, namespace)


def _saved(namespace: str) -> str:
    texts = [run(f"{command}-save", netns=namespace).stdout for command in ("iptables", "ip6tables")]
    return "\n".join(line for text in texts for line in text.splitlines() if not line.startswith("#"))


def _announce(namespace: str, addresses: Iterable[tuple[str, str]]) -> None:
    """Tell neighbours where the addresses are now (gratuitous ARP), three times as the L3 agent does."""
    rights = users.dropped(users.derived("arping", namespace), keep=("net_raw",))
    for attempt in range(3):
        for device, address in addresses:
            if ":" in address:
                continue
            try:
                words = ("arping", "-U", "-I", device, "-c", "1", "-w", "1", address)
                run(*rights, *words, netns=namespace, check=False)
            except NodeCommandError:
                return
        if attempt < 2:
            threading.Event().wait(1.0)
