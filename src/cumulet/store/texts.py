"""Functions of texts that databases name differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class place_in(GenericFunction[int]):
    """``place_in(text, part)``: where `part` begins in `text`, from 1; 0 when it is not there. Minds the case."""

    type = Integer()
    inherit_cache = True


@compiles(place_in, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(place_in, "postgresql")
def _postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"
