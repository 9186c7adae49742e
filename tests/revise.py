"""``python -m tests.revise``: bring the newest revision up to the tables that the source declares.

It compares the tables with the shape of the revision before the newest one, writes the steps between them into the
newest one's file (from its mark on; what stands above the mark is written by hand), and the new shape beside it.
Nothing is lost by running it twice, and after a conflict of two branches in these files: take either side, run it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from alembic.autogenerate import render_python_code
from alembic.operations import ops
from sqlalchemy import Column, Index, MetaData, Table

from cumulet.db import metadata
from cumulet.db.partial import settled
from cumulet.db.schema import HEAD, MIGRATIONS
from tests.db import shapes

COMMAND = "PYTHONPATH=src python -m tests.revise"
MARK = "    # From here on by `python -m tests.revise`.\n"


class NotBySteps(Exception):
    """A change that has to be written by hand."""


def newest() -> Path:
    """The file of the newest revision."""
    (found,) = (MIGRATIONS / "versions").glob(f"{HEAD}_*.py")
    return found


def previous() -> str:
    """The revision before the newest one."""
    return f"{int(HEAD) - 1:04d}"


def revised(declared: MetaData = metadata) -> str:
    """The text of the newest revision's file as it should be. Raises NotBySteps."""
    text = newest().read_text()
    if MARK not in text:
        raise NotBySteps(f"{newest()} has lost the line {MARK.strip()!r}")
    by_hand = text[: text.index(MARK)]
    steps = list(_steps(declared, shapes.recorded(previous()).splitlines(), by_hand))
    body = "".join(f"    {line}\n" if line else "\n" for step in steps for line in step.splitlines())
    return formatted(by_hand + MARK + (body or "    pass\n"))


def formatted(source: str) -> str:
    """As ruff would have it."""
    return subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-q", "--stdin-filename", newest(), "-"],
        input=source, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def _steps(declared: MetaData, before: list[str], by_hand: str) -> Iterator[str]:
    """What leads from the lines of the shape `before` to the tables, table by table."""
    old, new = set(before), set(shapes.shape_of(declared).splitlines())
    kept = {line.split()[1] for line in before if line.startswith("table ")}
    for name in sorted(kept | set(declared.tables)):
        table = declared.tables.get(name)
        if table is None:
            yield f'steps.drop_table("{name}")'
        elif name not in kept:
            yield _rendered(ops.CreateTableOp.from_table(table))
            yield from map(_made, _indexes(table))
        else:
            yield from _altered(table, old - new, new - old, by_hand)


def _altered(table: Table, lost: set[str], found: set[str], by_hand: str) -> Iterator[str]:
    columns, indexes = _changes(table.name, lost), _changes(table.name, lost, "index")
    added, made = _changes(table.name, found), _changes(table.name, found, "index")
    rest = [line for line in (lost | found) if line.split()[1] == table.name]
    rest += [f"column {table.name}.{name}" for name in sorted(columns & added)]
    if rest and not all(line in by_hand for line in rest):
        raise NotBySteps(f"write by hand, above the mark, with these lines as its remark: {sorted(rest)}")
    yield from (f'steps.drop_index("{name}", "{table.name}")' for name in sorted(indexes))
    yield from (f'steps.drop_column("{table.name}", "{name}")' for name in sorted(columns - added))
    yield from (_added(table, column) for column in table.columns if column.name in added - columns)
    yield from (_made(index) for index in _indexes(table) if index.name in made)


def _changes(table: str, lines: set[str], kind: str = "column") -> set[str]:
    start = f"{kind} {table}."
    return {line[len(start) :].split()[0] for line in lines if line.startswith(start)}


def _indexes(table: Table) -> list[Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _added(table: Table, column: Column[object]) -> str:
    code = _rendered(ops.AddColumnOp(table.name, column))  # a foreign key is not in it: it is by hand
    if column.nullable or column.server_default is not None:
        return code
    default = getattr(column.default, "arg", None)
    if not isinstance(default, str | int | float):
        raise NotBySteps(f"{column}: rows that are there need a value: give it a `default=` that is one")
    fill = f"'{default}'" if isinstance(default, str) else str(default).lower()  # both databases know true and false
    return f'{code.rstrip()[:-1]}, fill="{fill}")'


def _made(index: Index) -> str:
    return _rendered(ops.CreateIndexOp.from_index(settled(index)))


def _rendered(operation: ops.MigrateOperation) -> str:
    text = render_python_code(ops.UpgradeOps([operation]), alembic_module_prefix="steps.", render_as_batch=False)
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def main() -> int:
    """Write both files. Prints what was written, or what has to be written by hand."""
    shapes.declare_everything()
    try:
        newest().write_text(revised())
    except NotBySteps as error:
        print(error, file=sys.stderr)
        return 1
    print(newest())
    print(shapes.write(HEAD, shapes.shape_of(metadata)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
