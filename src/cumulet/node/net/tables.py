"""The iptables tables of this machine: read, and written by whole transactions.

Shared chains may hold rules of another cloud or of another program; those are carried over as they are.
Always the default variant of ``iptables`` (nf_tables); never a flush of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cumulet.desired import texts
from cumulet.node.net import names
from cumulet.node.net.run import run

_DEVICE = re.compile(r"(?:tap|brq)[0-9a-f]{8}-[0-9a-f]{2}")
_ENDING = ['-m comment --comment "Default drop rule for unmatched traffic." -j DROP']

# Hook → shared chain, in the filter and raw tables.
FILTER_HOOKS = [("FORWARD", names.FORWARD), ("INPUT", names.INPUT), ("FORWARD", names.TOP)]
RAW_HOOKS = [("PREROUTING", names.PREROUTING)]
SHARED = {names.TOP, names.FORWARD, names.INPUT, names.SG_CHAIN, names.SG_FALLBACK, names.PREROUTING}


@dataclass
class Saved:
    """What ``iptables-save`` said: table → chain → rules without their ``-A chain``."""

    tables: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def rules(self, table: str, chain: str) -> list[str]:
        """Rules of a chain; none when it does not exist."""
        return self.tables.get(table, {}).get(chain, [])

    def has(self, table: str, chain: str) -> bool:
        """Whether the chain exists."""
        return chain in self.tables.get(table, {})


def command(version: int) -> str:
    """``iptables`` or ``ip6tables``."""
    return "iptables" if version == 4 else "ip6tables"


def read(version: int) -> Saved:
    """The tables as they are now."""
    saved = Saved()
    chains: dict[str, list[str]] = {}
    # By the end that iptables writes: other programs' remarks may hold what `splitlines` takes for one.
    for line in run(f"{command(version)}-save").stdout.split("\n"):
        if line.startswith("*"):
            chains = saved.tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].split(" ", 1)[0], [])
        elif line.startswith("-A "):
            _, chain, rest = line.split(" ", 2) if line.count(" ") > 1 else (*line.split(" ", 1), "")
            chains.setdefault(chain, []).append(rest)
    return saved


def write(version: int, text: str) -> None:
    """Apply a transaction per table; chains not named in it stay. NodeCommandError leaves the tables
    unchanged."""
    if text:
        run(f"{command(version)}-restore", "--noflush", "--wait", "5", stdin=text)


def transaction(table: str, lines: Iterable[str]) -> str:
    """The lines as one transaction on a table; nothing when there are none. ValueError when one is not one line."""
    listed = list(lines)
    return texts.lines([f"*{table}", *listed, "COMMIT"]) if listed else ""


def replace_chains(chains: Mapping[str, Iterable[str]]) -> list[str]:
    """Lines that make chains and let each have exactly these rules; they may jump to each other."""
    lines = [f":{chain} - [0:0]" for chain in chains]
    return lines + [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]


def remove_chains(chains: Iterable[str]) -> list[str]:
    """Lines that remove chains nothing jumps to, even if they do not exist or jump to each other."""
    listed = sorted(chains)
    return [*[f":{chain} - [0:0]" for chain in listed], *[f"-X {chain}" for chain in listed]]


def foreign(rules: Iterable[str], devices: set[str]) -> list[str]:
    """The rules of a shared chain that are about devices of somebody else."""
    kept = []
    for rule in rules:
        found = set(_DEVICE.findall(rule))
        if found and not found & devices:
            kept.append(rule)
    return kept


def hook_lines(saved: Saved, table: str, hooks: Iterable[tuple[str, str]]) -> list[str]:
    """Lines that put missing jumps from built-in chains first."""
    return [
        f"-I {builtin} 1 -j {chain}" for builtin, chain in hooks if f"-j {chain}" not in saved.rules(table, builtin)
    ]


def unhook_lines(saved: Saved, table: str, hooks: Iterable[tuple[str, str]]) -> list[str]:
    """Lines that remove the jumps of :func:`hook_lines`, however often they exist."""
    return [
        f"-D {builtin} -j {chain}"
        for builtin, chain in hooks
        for rule in saved.rules(table, builtin)
        if rule == f"-j {chain}"
    ]


def fallback_rules() -> list[str]:
    """What ``neutron-linuxbri-sg-fallback`` holds."""
    return list(_ENDING)
