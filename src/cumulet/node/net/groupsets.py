"""ipsets with the member addresses of security groups that some rule names as remote.

A set changes by swap, so a rule never sees half of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from cumulet.desired import texts
from cumulet.node.net import names
from cumulet.node.net.run import run

SetKey = tuple[str, int]


def members(addresses: Iterable[str], version: int) -> frozenset[str]:
    """Entries of the set of one IP version. A set cannot hold ``/0``, so that one becomes two halves. What is no
    address is no member: one port's address must not close the others' ports (`intake` says which was left out)."""
    found: set[str] = set()
    for text in addresses:
        try:
            each = texts.network(text)
        except ValueError:
            continue
        if each.version != version:
            continue
        halves = each.subnets() if each.prefixlen == 0 else [each]
        found.update(str(half) for half in halves)
    return frozenset(found)


def ensure(wanted: dict[SetKey, frozenset[str]]) -> None:
    """Give each set exactly these members."""
    lines = []
    for (group_id, version), entries in sorted(wanted.items()):
        name = names.group_set(group_id, version)
        shape = f"hash:net family {'inet' if version == 4 else 'inet6'} maxelem {max(65536, len(entries))}"
        lines += [f"create {name} {shape} -exist", f"create {name}-n {shape} -exist", f"flush {name}-n"]
        lines += [f"add {name}-n {entry}" for entry in sorted(entries)]
        lines += [f"swap {name}-n {name}", f"destroy {name}-n"]
    if lines:
        run("ipset", "restore", stdin=texts.lines(lines))


def absent(keys: Iterable[SetKey]) -> None:
    """Remove sets; one that a rule still names (of a port that failed) stays until the next call."""
    for group_id, version in keys:
        run("ipset", "destroy", names.group_set(group_id, version), check=False)


def existing() -> set[str]:
    """Names of all sets of this machine."""
    return set(run("ipset", "list", "-n").stdout.split())
