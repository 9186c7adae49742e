"""Shapes of bodies as JSON Schema, at a version and for documents; what holds answers against them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, UnsetType

from cumulet.http import Service, Since, Wire
from cumulet.http.bodies import (
    EMPTY,
    Media,
    Named,
    OneOf,
    Query,
    Record,
    Versions,
    body_of,
    optional,
    schema_of,
    since,
    until,
)
from cumulet.http.faults import nova_body
from tests import answers

FLAVOR = Record("Flavor", {"id": str, "ram": int | None})
SERVER = Record(
    "Server",
    {
        "id": str,
        "tags": since("2.26", [str]),
        "flavor": (until("2.46", {"id": str}), since("2.47", FLAVOR)),
        "fault": optional({"code": int}),
        "meta": {str: str},
        "power": Literal[0, 1],
    },
)
OLD, NEW = (2, 25), (2, 96)


class Inner(Wire):
    key: Annotated[str | UnsetType, Since("2.30")] = UNSET


class New(Wire):
    inner: Inner


def complaint(shape: Any, body: bytes, version: tuple[int, int] = NEW, kind: str = "application/json") -> str | None:
    service = Service("compute", faults=nova_body)

    @service.get("/", response=shape)
    def handler(call: Any) -> dict[str, Any]:
        """Do something."""
        return {}

    return answers.complaint(service.operations[0], version, body, kind)


def test_a_body_fits_at_its_version() -> None:
    old = b'{"id": "a", "flavor": {"id": "f"}, "meta": {"any": "b"}, "power": 1}'
    new = (
        b'{"id": "a", "tags": ["x"], "flavor": {"id": "f", "ram": null}, "meta": {}, "power": 0, "fault": {"code": 5}}'
    )
    assert complaint(SERVER, old, OLD) is None
    assert complaint(SERVER, new) is None
    assert "'tags' was unexpected" in str(complaint(SERVER, old[:-1] + b', "tags": []}', OLD))
    assert '"tags" is a required property' in str(complaint(SERVER, old))
    assert "power" in str(complaint(SERVER, new.replace(b'"power": 0', b'"power": 2')))
    assert "meta.a" in str(complaint(SERVER, new.replace(b'"meta": {}', b'"meta": {"a": 1}')))


def test_what_is_more_than_declared_does_not_fit() -> None:
    assert "unexpected" in str(complaint(FLAVOR, b'{"id": "a", "ram": 1, "disk": 2}'))
    assert complaint(Record("", {"id": str}, others=str), b'{"id": "a", "own": "b"}') is None
    assert complaint(Record("", {"id": str}, others=str), b'{"id": "a", "own": 1}') is not None


def test_what_is_no_object() -> None:
    assert complaint(OneOf([str], None), b'["a"]') is None
    assert complaint(OneOf([str], None), b"[1]") is not None
    assert complaint(Versions(until("2.50", [str]), since("2.51", {"a": int})), b'{"a": 1}') is None
    assert complaint(Versions(until("2.50", [str]), since("2.51", {"a": int})), b'{"a": 1}', OLD) is not None
    assert complaint(EMPTY, b"{}") is not None
    assert complaint(Media("text/"), b"x", kind="text/plain; charset=UTF-8") is None
    assert complaint(Media("text/"), b"x", kind="image/png") is not None


def test_documents_show_windows_and_name_what_has_a_name() -> None:
    named = Named()
    assert schema_of(Record("", {"servers": [SERVER]}), None, named)["properties"]["servers"]["items"] == {
        "$ref": "#/components/schemas/Server"
    }
    shown = named["Server"]
    assert shown["properties"]["tags"]["x-openstack-min-version"] == "2.26"
    old, new = shown["properties"]["flavor"]["anyOf"]
    assert (old["x-openstack-max-version"], new["$ref"]) == ("2.46", "#/components/schemas/Flavor")
    assert shown["required"] == ["id", "flavor", "meta", "power"]
    with pytest.raises(ValueError, match="two shapes are called Flavor"):
        Record("Flavor", {}).schema(None, named)


def test_a_struct_leaves_out_what_does_not_exist() -> None:
    assert body_of(New).schema(OLD)["properties"]["inner"]["properties"] == {}
    assert "key" in body_of(New).schema(NEW)["properties"]["inner"]["properties"]
    assert body_of(New).parse({"inner": {"key": "a"}}, NEW) == New(inner=Inner(key="a"))


def test_a_query_is_in_documents_and_nothing_of_it_is_needed() -> None:
    query = Query({"limit": int}) | {"tags": since("2.26", [str])}
    limit, tags = query.parameters()
    assert (limit["name"], limit["in"], limit["schema"]) == ("limit", "query", {"type": "integer"})
    assert tags["schema"]["items"] == {"type": "string"}
