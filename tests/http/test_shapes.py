"""Shapes: windows of microversions, and errors in JSON Schema's words."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.http import Since, Until, Wire
from cumulet.http.shapes import Invalid, parse, trimmed

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=5)]


class Inner(Wire):
    name: Name
    description: Annotated[str | msgspec.UnsetType, Since("2.19")] = msgspec.UNSET
    legacy: Annotated[int | msgspec.UnsetType, Until("2.30")] = msgspec.UNSET


class Outer(Wire):
    server: Inner
    counts: list[Annotated[int, msgspec.Meta(ge=1)]] = []


@pytest.mark.parametrize(
    ("raw", "path", "problem"),
    [
        ({"server": {"name": "toolong"}}, "server.name", "'toolong' is too long"),
        ({"server": {"name": ""}}, "server.name", "'' is too short"),
        ({"server": {"name": 7}}, "server.name", "7 is not of type 'string'"),
        ({"server": {}}, "server", "'name' is a required property"),
        ({"server": {"name": "a", "x": 1}}, "server", "Additional properties are not allowed ('x' was unexpected)"),
        ({"server": {"name": "a"}, "counts": [1, 0]}, "counts.1", "0 is less than the minimum of 1"),
        ({}, "", "'server' is a required property"),
    ],
)
def test_errors_say_where_and_why(raw: Any, path: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(Outer, raw, (2, 1))
    assert (caught.value.path, caught.value.problem) == (path, problem)


@given(st.integers(1, 60))
def test_a_field_exists_only_in_its_window(minor: int) -> None:
    for field, exists in (("description", minor >= 19), ("legacy", minor <= 30)):
        raw = {"server": {"name": "a", field: "x" if field == "description" else 1}}
        if exists:
            assert getattr(parse(Outer, raw, (2, minor)).server, field)
        else:
            with pytest.raises(Invalid, match=f"'{field}' was unexpected"):
                parse(Outer, raw, (2, minor))
    answer = trimmed({"servers": [Inner(name="a", description="d", legacy=1)]}, (2, minor))
    shown = msgspec.to_builtins(answer["servers"][0])
    assert ("description" in shown, "legacy" in shown) == (minor >= 19, minor <= 30)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_whatever_is_sent_is_parsed_or_refused(raw: Any) -> None:
    try:
        parse(Outer, raw, (2, 1))
    except Invalid as invalid:
        assert invalid.problem
