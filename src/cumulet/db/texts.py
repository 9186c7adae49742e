"""Functions of texts that databases name differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class instr(GenericFunction[int]):
    """``instr(text, part)``: where `part` begins in `text`, from 1; 0 when it is not there. Minds the case."""

    type = Integer()
    inherit_cache = True


@compiles(instr, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(instr, "postgresql")
def _postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"
