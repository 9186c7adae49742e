"""The flat physical network of this host: its bridge, this machine's own leg in it, and the way out.

The machine's address sits on a veth leg, not on the bridge: what it sends to a guest is then bridged like
anybody else's traffic, and security groups hold against it too. Never moves addresses off a physical
interface.
"""

from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path

from msgspec import Struct

from cumulet.node.net import bridge, names, tables
from cumulet.node.net.links import Link, change, delete_device, links, set_addresses
from cumulet.node.net.run import RUNTIME, NodeError, machine_lock, write_whole

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class ProviderConfig(Struct, frozen=True):
    """How this host is connected to `physical_network`.

    `interface` is plugged into the bridge when given and must carry no address. `address` (``ip/prefix``)
    is this machine's own in that network. With `masquerade`, what comes from that network leaves by the
    default route.
    """

    physical_network: str = "provider"
    interface: str | None = None
    address: str | None = None
    masquerade: bool = False


def ensure(network_id: str, mtu: int, config: ProviderConfig) -> None:
    """Make the provider network's bridge and all that `config` says. NodeError when the interface is in
    use."""
    bridge.ensure(network_id, mtu)
    here = links()
    if config.interface:
        _plug_interface(here, config.interface, names.bridge(network_id))
    if config.address:
        _ensure_host_leg(here, network_id, mtu, str(ip_interface(config.address)))
    elif names.host_leg(network_id) in here:
        delete_device(names.host_leg(network_id))
    wanted = masquerade_rules(network_id, config.address) if config.address and config.masquerade else []
    with machine_lock("iptables"):
        _settle_rules(network_id, wanted)


def absent(network_id: str) -> None:
    """Remove the leg, the rules and the bridge; a plugged interface is freed. IP forwarding gets its value
    back."""
    with machine_lock("iptables"):
        _settle_rules(network_id, [])
    if names.host_leg(network_id) in links():
        delete_device(names.host_leg(network_id))
    bridge.absent(network_id)


def masquerade_rules(network_id: str, address: str) -> list[tuple[str, str, str]]:
    """(table, chain, rule) for the way out. Bridged packets pass the nat table too, hence ``! -o brq+``."""
    cidr, leg = ip_interface(address).network, names.host_leg(network_id)
    remark = f"-m comment --comment {names.bridge(network_id)}"
    return [
        ("nat", names.MASQUERADE, f"-s {cidr} ! -d {cidr} ! -o brq+ {remark} -j MASQUERADE"),
        ("filter", names.TOP, f"-i {leg} {remark} -j ACCEPT"),
        ("filter", names.TOP, f"-o {leg} -m state --state RELATED,ESTABLISHED {remark} -j ACCEPT"),
    ]


def _plug_interface(here: dict[str, Link], interface: str, master: str) -> None:
    link = here.get(interface)
    if link is None:
        raise NodeError(f"The interface {interface} of the provider network does not exist")
    if link.master == master and link.up:
        return
    if link.master not in (None, master) or link.addresses:
        raise NodeError(f"The interface {interface} of the provider network is in use (addresses or a bridge)")
    change([["link", "set", "dev", interface, "master", master, "up"]])


def _ensure_host_leg(here: dict[str, Link], network_id: str, mtu: int, address: str) -> None:
    name, peer, master = names.host_leg(network_id), names.host_leg_peer(network_id), names.bridge(network_id)
    for link in here.values():
        if link.name != name and address in link.addresses:
            raise NodeError(f"The address {address} is already on {link.name}")
    if name not in here or peer not in here:
        if name in here:
            delete_device(name)
        change([["link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", peer, "mtu", str(mtu)]])
        here = links()
    leg, other = here[name], here[peer]
    commands = []
    if other.master != master or other.mtu != mtu or not other.up:
        commands.append(["link", "set", "dev", peer, "master", master, "mtu", str(mtu), "up"])
    commands += set_addresses(leg, [address])
    if leg.mtu != mtu or not leg.up:
        commands.append(["link", "set", "dev", name, "mtu", str(mtu), "up"])
    change(commands)


def _settle_rules(network_id: str, wanted: list[tuple[str, str, str]]) -> None:
    saved = tables.read(4)
    remark = f"--comment {names.bridge(network_id)} "
    hooks = {"nat": [("POSTROUTING", names.MASQUERADE)], "filter": [("FORWARD", names.TOP)]}
    if wanted:
        _forwarding_on()
    for table, chain in (("nat", names.MASQUERADE), ("filter", names.TOP)):
        mine = [rule for rule in saved.rules(table, chain) if remark in rule + " "]
        rules = [rule for each, _, rule in wanted if each == table]
        if mine == rules and not (rules and tables.hook_lines(saved, table, hooks[table])):
            continue
        kept = [rule for rule in saved.rules(table, chain) if rule not in mine]
        lines = tables.replace_chains({chain: [*kept, *rules]}) + tables.hook_lines(saved, table, hooks[table])
        if not kept and not rules and table == "nat":
            lines = tables.unhook_lines(saved, table, hooks[table]) + tables.remove_chains([chain])
            _forwarding_back()
        tables.write(4, tables.transaction(table, lines))


def _remembered() -> Path:
    """Where the machine's own value of ip_forward is kept, per network namespace, for the last cloud to
    restore."""
    return RUNTIME / f"ip_forward-{Path('/proc/self/ns/net').stat().st_ino}"


def _forwarding_on() -> None:
    value = _FORWARDING.read_text().strip()
    if value != "1":
        write_whole(_remembered(), value)
        _FORWARDING.write_text("1")


def _forwarding_back() -> None:
    try:
        value = _remembered().read_text().strip()
    except FileNotFoundError:
        return
    _FORWARDING.write_text(value)
    _remembered().unlink(missing_ok=True)
