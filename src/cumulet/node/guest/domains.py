"""Libvirt's domains of this cloud's guests, as they are.

Must never give a domain away that does not carry this node's mark.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cumulet.node.guest import domain
from cumulet.node.guest.errors import GuestError


class Now(Struct):
    """A domain as it is: libvirt's object, its state and reason, and our mark."""

    domain: Any
    active: bool
    state: int
    reason: int
    mark: domain.Mark


class Domains:
    """Those whose mark names `owner`; `libvirt` is its binding. Raises libvirt's own errors."""

    def __init__(self, libvirt: Any, owner: str) -> None:
        self._libvirt, self._owner = libvirt, owner

    def all(self, connection: Any) -> list[Now]:
        """All of ours."""
        return [now for one in connection.listAllDomains() if (now := self.now(one)) is not None]

    def mine(self, connection: Any, uuid: str) -> Now | None:
        """Our domain of that id; None when there is none, or when it is somebody else's."""
        found = self._looked_up(connection, uuid)
        return None if found is None else self.now(found)

    def find(self, connection: Any, uuid: str) -> Now | None:
        """Our domain of that id; raises GuestError when somebody else's has it."""
        found = self._looked_up(connection, uuid)
        now = None if found is None else self.now(found)
        if now is None and found is not None:
            raise GuestError("The server's id is taken on this host.", f"domain {uuid} is not ours")
        return now

    def now(self, found: Any) -> Now | None:
        """The domain's present state; None when it is not ours or is gone."""
        known = self._libvirt
        try:
            active = bool(found.isActive())
            state, reason = found.state()
            which = known.VIR_DOMAIN_AFFECT_LIVE if active else known.VIR_DOMAIN_AFFECT_CONFIG
            mark = domain.read_mark(found.metadata(known.VIR_DOMAIN_METADATA_ELEMENT, domain.OURS, which))
        except known.libvirtError as error:
            if error.get_error_code() == known.VIR_ERR_OPERATION_INVALID:  # it ended in between
                return self.now(found)
            if error.get_error_code() in (known.VIR_ERR_NO_DOMAIN, known.VIR_ERR_NO_DOMAIN_METADATA):
                return None
            raise
        if mark is None or mark.owner != self._owner:
            return None
        return Now(found, active, state, reason, mark)

    def _looked_up(self, connection: Any, uuid: str) -> Any:
        try:
            return connection.lookupByUUIDString(uuid)
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise
