"""Each kind of desired state has a part on a real host, with the same methods, and nothing asks which kind it is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, get_args

import cumulet.node
from cumulet.desired.kinds import FORMATS, SPECS, Kind
from cumulet.node.kinds.part import KindPart
from cumulet.node.real import RealParts

NODE = Path(cumulet.node.__file__).parent


def parts() -> dict[Kind, KindPart]:
    made: Any = object.__new__(RealParts)

    class Guests:
        folders = staticmethod(list)

    made._assemble(Guests(), object())
    return dict(made._kinds)


def test_each_kind_has_a_shape_a_format_and_a_part() -> None:
    assert set(get_args(Kind)) == set(SPECS) == set(FORMATS) == set(parts())
    assert list(parts()) == list(SPECS)  # what stands on another comes after it
    assert all(number >= 1 for number in FORMATS.values())


def test_the_parts_have_the_same_methods() -> None:
    for kind, part in parts().items():
        for name in ("ensure", "absent", "here"):
            assert callable(getattr(part, name)), (kind, name)


def test_a_real_host_asks_nothing_about_a_kind() -> None:
    """What a kind needs is said in its part: no branch in the host compares kinds of items."""
    for path in (NODE / "real.py", *sorted((NODE / "kinds").glob("*.py"))):
        for each in ast.walk(ast.parse(path.read_text())):
            if isinstance(each, ast.Compare):
                values = [value.value for value in (each.left, *each.comparators) if isinstance(value, ast.Constant)]
                assert not set(values) & set(SPECS), f"{path.name}:{each.lineno}"
