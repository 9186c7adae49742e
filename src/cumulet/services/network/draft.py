"""A resource as it is being made or changed: what extensions look at, and what they add to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from cumulet.auth import Caller
from cumulet.services.network.tables import NetworkRow, PortRow, StandardRow
from cumulet.services.network.wire.attributes import ABSENT

N = TypeVar("N", bound=StandardRow)


class Draft(Struct, Generic[N]):
    """A new resource (`row` is None) or a changed one.

    `values` is the request, converted; `columns` is what will be written. `parent` is the row that the resource hangs
    on: the network of a port or of a subnet.
    """

    caller: Caller
    project_id: str
    values: Mapping[str, Any]
    columns: dict[str, Any]
    row: N | None = None
    parent: NetworkRow | None = None

    def given(self, name: str, otherwise: Any = None) -> Any:
        """The value of an attribute in the request, or `otherwise` when the client gave none."""
        value = self.values.get(name, ABSENT)
        return otherwise if value is ABSENT else value

    def after(self, column: str) -> Any:
        """What the column will hold."""
        if column in self.columns or self.row is None:
            return self.columns.get(column)
        return getattr(self.row, column)


class PortDraft(Draft[PortRow]):
    """A port. `mac` is the MAC address that it will have; `groups_before` and `groups` are its security groups."""

    mac: str = ""
    groups_before: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
