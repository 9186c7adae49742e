"""Typed rows: classes that say which columns a row has and of which Python types, for mypy and for readers.

A class stands beside its table, with the attributes of all columns, in their order:

    class GroupRow(TypedRow, table=groups):
        id: str
        description: str | None

    tx.row(select_as(GroupRow).where(groups.c.id == group_id))   # GroupRow | None
    tx.rows_by_key(GroupRow, domain_id=domain_id)                      # Sequence[GroupRow]
    _BY_NAME = Prepared(select_as(GroupRow).where(...))          # Prepared[GroupRow]

What a query gives beyond or instead of a table's columns has a class of its own, which may extend one:

    class NamedGroupRow(GroupRow):
        domain_name: str

    select_as(NamedGroupRow, groups, domains.c.name.label("domain_name"))

At run time rows are SQLAlchemy's own and nothing is made of them: the classes cost nothing and are never made.
``tests/laws/test_rows.py`` compares every class with its table, and the tests each statement with its class
(``look``), so what a class says is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, dataclass_transform

from sqlalchemy import Select, Table, select


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=False)
class TypedRow:
    """What a row has. `table`: the table whose columns the class names, all of them."""

    __table__: ClassVar[Table]

    def __init_subclass__(cls, *, table: Table | None = None) -> None:
        if table is not None:
            cls.__table__ = table

    def __new__(cls, *_: Any, **__: Any) -> TypedRow:
        raise TypeError(f"{cls.__name__} only says what a row has: rows come from the database")

    def __iter__(self) -> Iterator[Any]:
        """The values, in the order of the columns."""
        raise NotImplementedError

    def __getitem__(self, place: int) -> Any:
        """One of the values: for lists that are so long that names take time."""
        raise NotImplementedError

    @property
    def _mapping(self) -> Mapping[str, Any]:
        """The row as SQLAlchemy's mapping: name of the column → value."""
        raise NotImplementedError


R = TypeVar("R", bound=TypedRow)

if TYPE_CHECKING:

    class TypedSelect(Select[Any], Generic[R]):
        """A SELECT whose rows are R; conditions and order leave it one."""

else:
    TypedSelect = Select

look: Callable[[type[TypedRow], Select[Any]], None] | None = None
"""What tests hand every statement of `select_as` to."""


def select_as(kind: type[R], *columns: Any) -> TypedSelect[R]:
    """A SELECT whose rows are `kind`: of all columns of its table, or of `columns` (tables, columns and labels)."""
    statement = select(*columns or (kind.__table__,))
    if look is not None:
        look(kind, statement)
    return cast("TypedSelect[R]", statement)
