"""MAC and ARP filtering of guests' frames: one nftables bridge table per cloud, one chain per port.

The bridge family has no connection tracking here, so only stateless rules live in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cumulet.desired import texts
from cumulet.node.net import names
from cumulet.node.net.run import NodeCommandError, run


class SpoofTable:
    """The table ``neutron_<tag>``; the map `ports` leads a device's frames to its chain."""

    def __init__(self, tag: str) -> None:
        self._table = f"bridge {names.spoof_table(tag)}"

    def apply(self, changes: Mapping[str, Sequence[str] | None], all_ports: Mapping[str, Sequence[str]]) -> None:
        """Change the ports in `changes` (None: no chain). When the table is not as expected, write it anew
        from `all_ports`, in one transaction. `all_ports` has what must hold afterwards."""
        lines: list[str] = []
        for port_id, rules in changes.items():
            lines += self._absent(port_id) if rules is None else self._present(port_id, rules)
        if not lines:
            return
        try:
            run("nft", "-f", "-", stdin=texts.lines(lines))
        except NodeCommandError:
            self.rewrite(all_ports)

    def rewrite(self, ports: Mapping[str, Sequence[str]]) -> None:
        """Write the whole table; frames meet the old or the new one, never none."""
        lines = [
            f"add table {self._table}",
            f"delete table {self._table}",
            f"add table {self._table}",
            f"add map {self._table} ports {{ type ifname : verdict; }}",
            f"add chain {self._table} PREROUTING {{ type filter hook prerouting priority -300; }}",
        ]
        for port_id, rules in ports.items():
            lines += self._present(port_id, rules)
        lines.append(f"add rule {self._table} PREROUTING iifname vmap @ports")
        run("nft", "-f", "-", stdin=texts.lines(lines))

    def ports(self) -> set[str] | None:
        """Devices that the table filters; None when there is no such table or its hook is missing."""
        done = run("nft", "list", "table", *self._table.split(), check=False)
        if done.returncode != 0 or "iifname vmap @ports" not in done.stdout:
            return None
        return set(re.findall(r'"(tap[^"]+)" : jump', done.stdout))

    def absent(self) -> None:
        """Remove the table."""
        run("nft", "-f", "-", stdin=f"add table {self._table}\ndelete table {self._table}\n")

    def _present(self, port_id: str, rules: Sequence[str]) -> list[str]:
        chain = names.chain_mac(port_id)
        return [
            f"add chain {self._table} {chain}",
            f"flush chain {self._table} {chain}",
            *[f"add rule {self._table} {chain} {rule}" for rule in rules],
            f'add element {self._table} ports {{ "{names.tap(port_id)}" : jump {chain} }}',
        ]

    def _absent(self, port_id: str) -> list[str]:
        chain = names.chain_mac(port_id)
        return [
            f'delete element {self._table} ports {{ "{names.tap(port_id)}" : jump {chain} }}',
            f"delete chain {self._table} {chain}",
        ]
