"""Shares of the metadata proxy's connections: so many in all, so many for a network and for an address of it.

When all are taken, a network that has fewer than the largest takes the oldest one of the largest: no tenant keeps
another one's guests out, however many addresses and networks it has. Not for several threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

IN_ALL = 512
OF_NETWORK = 64
OF_SOURCE = 16


@dataclass(frozen=True, eq=False)
class Share:
    """One connection that was let in. `close` ends it at once."""

    network_id: str
    source: str
    close: Callable[[], None]


class Shares:
    """The connections that are open."""

    def __init__(self, in_all: int = IN_ALL, of_network: int = OF_NETWORK, of_source: int = OF_SOURCE) -> None:
        self._in_all, self._of_network, self._of_source = in_all, of_network, of_source
        # Oldest first; dictionaries, because one that ends is taken out of the middle.
        self._open: dict[str, dict[Share, None]] = {}
        self._sources: Counter[tuple[str, str]] = Counter()
        self._count = 0

    def enter(self, share: Share) -> bool:
        """Let a connection in, closing another one for it where that is just; False when there is no room for it."""
        mine = len(self._open.get(share.network_id, ()))
        if mine >= self._of_network or self._sources[share.network_id, share.source] >= self._of_source:
            return False
        if self._count >= self._in_all:
            largest = max(self._open.values(), key=len)
            if len(largest) <= mine + 1:
                return False
            oldest = next(iter(largest))
            self.leave(oldest)
            oldest.close()
        self._open.setdefault(share.network_id, {})[share] = None
        self._sources[share.network_id, share.source] += 1
        self._count += 1
        return True

    def leave(self, share: Share) -> None:
        """The connection ended. Safe to call again."""
        own = self._open.get(share.network_id, {})
        if share not in own:
            return
        del own[share]
        if not own:
            del self._open[share.network_id]
        key = (share.network_id, share.source)
        self._sources[key] -= 1
        if not self._sources[key]:
            del self._sources[key]
        self._count -= 1
