"""Security groups of this host's guest ports, as OpenStack's Linux bridge agent lays them out in iptables.

A change is one transaction per IP version. A port whose rules cannot be made is closed, and no other port
is harmed. Never leaves a plugged port without chains, and never touches what another cloud or program has
in the tables.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from cumulet.desired.port import Interface
from cumulet.desired.security_group import SecurityGroup
from cumulet.node.net import conntrack, groupsets, names, rules, tables
from cumulet.node.net.groupsets import SetKey
from cumulet.node.net.registry import Registry
from cumulet.node.net.rules import PortRules
from cumulet.node.net.run import NodeCommandError, machine_lock
from cumulet.node.net.spoof import SpoofTable

CHECK_EVERY_S = 15.0
_VERSIONS = (4, 6)


class Firewall:
    """The filter of all ports of one cloud on this host. Not thread safe: the façade holds a lock."""

    def __init__(self, registry: Registry, tag: str) -> None:
        self._registry = registry
        self._spoof = SpoofTable(tag)
        self._ports: dict[str, PortRules] = {}
        self._zones: dict[str, int] = {}
        self._sets: dict[SetKey, frozenset[str]] = {}
        self._synced = False
        self._checked_at = 0.0
        # Ports of an earlier process: their jumps may exist, so a plain insert would double them.
        self._inherited = registry.ids("ports")

    # ---- networks ------------------------------------------------------------------------------------------

    def ensure_network(self, network_id: str) -> int:
        """Give a network its connection tracking zone; returns it (1 to 65534)."""
        if network_id in self._zones:
            return self._zones[network_id]
        with machine_lock("iptables"):
            facts = self._registry.facts("networks", network_id) or {}
            zone = facts.get("zone")
            if not isinstance(zone, int):
                zone = conntrack.choose_zone(network_id, self._taken_zones())
                self._registry.note("networks", network_id, **{**facts, "zone": zone})
            self._zones[network_id] = zone
            self._resync(set(), set())
        return zone

    def absent_network(self, network_id: str) -> None:
        """Take the network's rules out of the shared chains."""
        self._zones.pop(network_id, None)
        with machine_lock("iptables"):
            self._resync(set(), {network_id})

    def _taken_zones(self) -> set[int]:
        found = set()
        for rule in tables.read(4).rules("raw", names.PREROUTING):
            word = rule.rsplit(" ", 1)[-1]
            if word.isascii() and word.isdigit():
                found.add(int(word))
        noted = [self._registry.facts("networks", each) or {} for each in self._registry.ids("networks")]
        return found | {each["zone"] for each in noted if isinstance(each.get("zone"), int)}

    # ---- ports ---------------------------------------------------------------------------------------------

    def knows(self, port_id: str) -> bool:
        """Whether rules of this port were applied since this process started."""
        return port_id in self._ports

    def ensure(self, ifaces: Iterable[Interface], groups: Mapping[str, SecurityGroup]) -> dict[str, str]:
        """Apply the rules of these ports; others stay. Returns port id → why, for those that were closed."""
        self._check_world()
        errors: dict[str, str] = {}
        wanted: dict[str, PortRules] = {}
        networks: dict[str, str] = {}
        for iface in ifaces:
            try:
                networks[names.checked(iface.port_id)] = names.checked(iface.network_id)
            except ValueError as error:  # no name to close it under: it was never plugged either
                errors[iface.port_id] = str(error)
                continue
            try:
                wanted[iface.port_id] = rules.render(iface, groups)
            except ValueError as error:
                errors[iface.port_id] = str(error)
                wanted[iface.port_id] = rules.closed(iface.port_id)
        self._ensure_sets(wanted.values(), groups)
        changed = {port: found for port, found in wanted.items() if self._ports.get(port) != found}
        if changed:
            zones = {port: self.ensure_network(networks[port]) for port in changed}
            errors.update(self._apply_each(changed, zones))
        return errors

    def close(self, port_ids: Iterable[str]) -> None:
        """Let nothing pass through these ports."""
        changed = {port: rules.closed(port) for port in port_ids}
        pending = {port: found for port, found in changed.items() if self._ports.get(port) != found}
        if pending:
            self._apply(pending, {})

    def absent(self, port_ids: Iterable[str]) -> None:
        """Remove the rules of these ports and forget their connections."""
        gone = set(port_ids)
        if not gone:
            return
        facts = {port: self._registry.facts("ports", port) or {} for port in gone}
        self._commit({}, gone)
        for port in gone:
            self._forget_connections(facts[port])
            self._registry.forget("ports", port)

    def keep_only_sets(self) -> None:
        """Remove the ipsets that no rule of a known port names."""
        used = {key for found in self._ports.values() for key in found.sets}
        noted = {(group, version) for group in self._registry.ids("groups") for version in _VERSIONS}
        unused = (set(self._sets) | noted) - used
        groupsets.absent(sorted(unused))
        for key in unused:
            self._sets.pop(key, None)
        # A set that a rule of an earlier process still names cannot go yet, and must stay noted.
        left = groupsets.existing() if unused else set()
        for group in self._registry.ids("groups") - {group for group, _ in used}:
            if not {names.group_set(group, version) for version in _VERSIONS} & left:
                self._registry.forget("groups", group)

    def purge(self) -> None:
        """Remove everything of this cloud from the tables, and what is shared when nobody else uses it."""
        ports, networks = self._registry.ids("ports"), self._registry.ids("networks")
        self._ports.clear()
        self._zones.clear()
        with machine_lock("iptables"):
            self._resync(ports, networks)
            for version in _VERSIONS:
                self._drop_shared(version)
        self._spoof.absent()
        self.keep_only_sets()
        for port in ports:
            self._registry.forget("ports", port)
        self._synced = False

    # ---- applying ------------------------------------------------------------------------------------------

    def _apply_each(self, changed: Mapping[str, PortRules], zones: Mapping[str, int]) -> dict[str, str]:
        try:
            self._apply(changed, zones)
            return {}
        except (NodeCommandError, ValueError) as error:
            if len(changed) == 1:
                port_id = next(iter(changed))
                self._apply({port_id: rules.closed(port_id)}, zones)
                return {port_id: (error.stderr if isinstance(error, NodeCommandError) else "") or str(error)}
        errors: dict[str, str] = {}
        for port_id, found in changed.items():
            errors.update(self._apply_each({port_id: found}, zones))
        return errors

    def _apply(self, changed: Mapping[str, PortRules], zones: Mapping[str, int]) -> None:
        before = {port: self._registry.facts("ports", port) for port in changed}
        for port in changed:
            if before[port] is None:
                self._registry.note("ports", port)
        self._commit(changed, set())
        for port, found in changed.items():
            facts = before[port] or {}
            lost = set(facts.get("accepts", [])) - found.accepts
            if lost:
                self._forget_connections(facts, rules.versions_of(lost))
            zone = zones.get(port, facts.get("zone"))
            addresses = list(found.addresses) or facts.get("addresses", [])
            self._registry.note("ports", port, zone=zone, addresses=addresses, accepts=sorted(found.accepts))

    def _forget_connections(self, facts: Mapping[str, object], versions: Collection[int] = _VERSIONS) -> None:
        zone, addresses = facts.get("zone"), facts.get("addresses")
        if isinstance(zone, int) and isinstance(addresses, list):
            conntrack.forget_in_zone([each for each in addresses if (6 if ":" in each else 4) in versions], zone)

    def _commit(self, changed: Mapping[str, PortRules], gone: set[str]) -> None:
        """Write a change to the tables. What is remembered is set before, so that a failure leads to a
        resync."""
        fresh = {port for port in changed if port not in self._ports}
        stale = {port for port in gone if port in self._ports}
        previous = dict(self._ports)
        self._ports.update(changed)
        for port in gone:
            self._ports.pop(port, None)
        try:
            with machine_lock("iptables"):
                if self._synced and stale == gone and not fresh & self._inherited:
                    for version in _VERSIONS:
                        tables.write(version, _increment(version, changed, fresh, gone))
                else:
                    self._resync(gone, set())
            self._inherited -= {*changed, *gone}
            spoof: dict[str, list[str] | None] = {port: found.spoof for port, found in changed.items()}
            spoof.update(dict.fromkeys(gone))
            if None in spoof.values():
                known = self._spoof.ports() or set()
                spoof = {p: r for p, r in spoof.items() if r is not None or names.tap(p) in known}
            self._spoof.apply(spoof, {p: f.spoof for p, f in self._ports.items() if f.spoof is not None})
        except (NodeCommandError, ValueError):
            self._synced = False
            self._ports = {port: found for port, found in previous.items() if port not in changed}
            raise

    def _resync(self, gone_ports: set[str], gone_networks: set[str]) -> None:
        """Rewrite our part of the shared chains and all known ports' chains, whatever is there."""
        for version in _VERSIONS:
            saved = tables.read(version)
            raw = self._raw_lines(saved, gone_networks)
            filters = self._filter_lines(saved, version, gone_ports, gone_networks)
            text = tables.transaction("raw", raw) + tables.transaction("filter", filters)
            tables.write(version, text)
        self._synced = True

    def _raw_lines(self, saved: tables.Saved, gone: set[str]) -> list[str]:
        devices = {names.bridge(each) for each in {*self._zones, *gone}}
        kept = tables.foreign(saved.rules("raw", names.PREROUTING), devices)
        ours = [f"-i {names.bridge(each)} -j CT --zone {zone}" for each, zone in self._zones.items()]
        lines = tables.replace_chains({names.PREROUTING: [*kept, *ours]})
        return lines + tables.hook_lines(saved, "raw", tables.RAW_HOOKS)

    def _filter_lines(
        self, saved: tables.Saved, version: int, gone_ports: set[str], gone_networks: set[str]
    ) -> list[str]:
        devices = {names.tap(each) for each in {*self._ports, *gone_ports}}
        devices |= {names.bridge(each) for each in {*self._zones, *gone_networks}}
        shared: dict[str, list[str]] = {names.FORWARD: [], names.SG_CHAIN: [], names.INPUT: []}
        for chain, found in shared.items():
            found += tables.foreign(saved.rules("filter", chain), devices)
        for port in self._ports:
            for chain, rule in rules.jumps(port):
                shared[chain].append(rule)
        # Rules about a whole bridge come after those about a port, else they would pass it by.
        for each in self._zones:
            shared[names.FORWARD] += _pass_bridge(each)
            shared[names.INPUT].append(f"-i {names.bridge(each)} -j DROP")
        shared[names.FORWARD].sort(key=lambda rule: " brq" in rule)
        shared[names.SG_CHAIN].append("-j ACCEPT")
        shared[names.SG_FALLBACK] = tables.fallback_rules()
        shared[names.TOP] = saved.rules("filter", names.TOP)
        for found_rules in self._ports.values():
            shared.update(found_rules.chains(version))
        lines = tables.replace_chains(shared) + tables.hook_lines(saved, "filter", tables.FILTER_HOOKS)
        stale = [chain for port in gone_ports for chain in rules.closed(port).chains(4)]
        return lines + tables.remove_chains(chain for chain in stale if saved.has("filter", chain))

    def _drop_shared(self, version: int) -> None:
        saved = tables.read(version)
        if not any(saved.rules("raw", chain) for chain in (names.PREROUTING,)):
            lines = tables.unhook_lines(saved, "raw", tables.RAW_HOOKS)
            tables.write(version, tables.transaction("raw", lines + tables.remove_chains([names.PREROUTING])))
        used = [chain for chain in (names.FORWARD, names.INPUT, names.TOP) if saved.rules("filter", chain)]
        if not used and saved.rules("filter", names.SG_CHAIN) in ([], ["-j ACCEPT"]):
            lines = tables.unhook_lines(saved, "filter", tables.FILTER_HOOKS)
            gone = [names.TOP, names.FORWARD, names.INPUT, names.SG_CHAIN, names.SG_FALLBACK]
            tables.write(version, tables.transaction("filter", lines + tables.remove_chains(gone)))

    # ---- sets and checks -----------------------------------------------------------------------------------

    def _ensure_sets(self, wanted: Iterable[PortRules], groups: Mapping[str, SecurityGroup]) -> None:
        needed = {key for found in wanted for key in found.sets}
        changes: dict[SetKey, frozenset[str]] = {}
        for group_id, version in needed:
            group = groups.get(group_id)
            if group is None and (group_id, version) in self._sets:
                continue
            entries = groupsets.members(group.members if group else [], version)
            if self._sets.get((group_id, version)) != entries:
                changes[group_id, version] = entries
        if not changes:
            return
        lost = self._note_sets(changes)
        groupsets.ensure(changes)
        self._sets.update(changes)
        for port, found in self._ports.items():
            if found.sets & lost:
                versions = {version for _, version in found.sets & lost}
                self._forget_connections(self._registry.facts("ports", port) or {}, versions)

    def _note_sets(self, changes: Mapping[SetKey, frozenset[str]]) -> set[SetKey]:
        """Note new members; returns the sets that lose some, also against what an earlier process made."""
        lost = set()
        for (group_id, version), entries in changes.items():
            facts = self._registry.facts("groups", group_id) or {}
            if set(facts.get(f"v{version}", [])) - entries:
                lost.add((group_id, version))
            self._registry.note("groups", group_id, **{**facts, f"v{version}": sorted(entries)})
        return lost

    def _check_world(self) -> None:
        """Now and then, look whether the tables still are as they were written; write them anew if not."""
        now = time.monotonic()
        if not self._synced or now - self._checked_at < CHECK_EVERY_S:
            return
        self._checked_at = now
        self.mend()

    def mend(self) -> bool:
        """Look at the tables now; True when something was missing and has been written anew."""
        intact = all(self._intact(version) for version in _VERSIONS)
        if not intact:
            missing = {names.group_set(*key) for key in self._sets} - groupsets.existing()
            groupsets.ensure({k: v for k, v in self._sets.items() if names.group_set(*k) in missing})
            with machine_lock("iptables"):
                self._resync(set(), set())
        filtered = {port: found.spoof for port, found in self._ports.items() if found.spoof is not None}
        if filtered and not {names.tap(port) for port in filtered} <= (self._spoof.ports() or set()):
            self._spoof.rewrite(filtered)
            return True
        return not intact

    def _intact(self, version: int) -> bool:
        saved = tables.read(version)
        if tables.hook_lines(saved, "filter", tables.FILTER_HOOKS) and (self._ports or self._zones):
            return False
        for port, found in self._ports.items():
            for chain, expected in found.chains(version).items():
                if len(saved.rules("filter", chain)) != len(expected):
                    return False
            if any(rule not in saved.rules("filter", chain) for chain, rule in rules.jumps(port)):
                return False
        zones = {f"-i {names.bridge(each)} -j CT --zone {zone}" for each, zone in self._zones.items()}
        return zones <= set(saved.rules("raw", names.PREROUTING))


def _pass_bridge(network_id: str) -> list[str]:
    """Frames between a bridge's ports pass, whatever the machine's policy; this machine routes none of them."""
    bridge = names.bridge(network_id)
    return [
        f"-i {bridge} -o {bridge} -m physdev --physdev-is-bridged -j ACCEPT",
        f"-i {bridge} -j DROP",
    ]


def _increment(version: int, changed: Mapping[str, PortRules], fresh: set[str], gone: set[str]) -> str:
    """The transaction for some ports, when the tables are known to be as remembered."""
    chains: dict[str, list[str]] = {}
    for found in changed.values():
        chains.update(found.chains(version))
    lines = tables.replace_chains(chains)
    lines += [f"-I {chain} 1 {rule}" for port in sorted(fresh) for chain, rule in rules.jumps(port)]
    lines += [f"-D {chain} {rule}" for port in sorted(gone) for chain, rule in rules.jumps(port)]
    lines += tables.remove_chains(chain for port in gone for chain in rules.closed(port).chains(version))
    return tables.transaction("filter", lines)
