"""What an extension of network adds stands in one file, and nowhere else."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cumulet.services.network import api, extensions
from cumulet.services.network.api import security_group_rules, tags
from cumulet.services.network.extension import EVERY, Extension
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.wire.attributes import Resource
from tests.laws.source import PACKAGE

ROOM = PACKAGE / "services" / "network"
SHARED = ("plain", "unlisted")
"""Files of several extensions that have nothing to do with each other: mere names, and mere attributes."""


def _nouns() -> list[Noun]:
    assert api.load() is not None
    return [*{id(noun): noun for noun in (*tags.NOUNS.values(), security_group_rules.NOUN)}.values()]


def _files() -> dict[str, Path]:
    """Where each alias is declared: read off the source."""
    found: dict[str, Path] = {}
    for path in (ROOM / "extensions").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Extension"
            if called and isinstance(node, ast.Call) and isinstance(node.args[0], ast.Constant):
                assert node.args[0].value not in found
                found[node.args[0].value] = path  # type: ignore[index]
    return found


def _added() -> Iterator[tuple[str, str, Extension]]:
    for each in extensions.EXTENSIONS:
        for resource, attributes in each.adds.items():
            for name in attributes:
                yield resource, name, each


def test_every_alias_is_declared_by_a_file() -> None:
    files = _files()
    assert {each.alias for each in extensions.EXTENSIONS} == files.keys()
    assert extensions.listed().keys() <= files.keys()


def test_only_mere_names_and_mere_attributes_share_a_file() -> None:
    for each in extensions.EXTENSIONS:
        place = _files()[each.alias].stem
        works = bool(each.settles or each.finishes or each.erased or each.shows or each.resources or each.tables)
        assert not (place in SHARED and (works or each.rules)), each.alias
        assert (place == "unlisted") <= (not each.listed), each.alias
        if place == "plain":
            assert not each.adds, each.alias


def test_an_attribute_is_added_once() -> None:
    """By the resource itself or by one extension; what is said for every resource may be said otherwise for one."""
    cores = {noun.name: noun.core for noun in _nouns()}
    counts = Counter((resource, name) for resource, name, _ in _added())
    assert [key for key, number in counts.items() if number > 1] == []
    for resource, name, each in _added():
        names = cores if resource == EVERY else {resource: cores[resource]}
        assert [core for core in names if name in cores[core].attributes] == [], (each.alias, name)


def test_attributes_are_declared_by_resources_and_extensions_alone() -> None:
    """`Attribute` is made where the core's resources are, and in the files of extensions."""
    made = {
        path.relative_to(ROOM).as_posix()
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Attribute"
    }
    core = {f"wire/{name}.py" for name in ("attributes", "networks", "ports", "subnets")}
    assert {each for each in made if not each.startswith("extensions/")} == core


def test_resources_are_complete() -> None:
    for noun in _nouns():
        own = {name for resource, name, _ in _added() if resource in (noun.name, EVERY)}
        assert noun.resource.attributes.keys() == {*noun.core.attributes, *own}
        assert own <= noun.resource.attributes.keys()


def test_extensions_bring_resources_tables_and_rules_that_are_used() -> None:
    cores: dict[str, Resource] = {noun.name: noun.core for noun in _nouns()}
    brought = [resource for each in extensions.EXTENSIONS for resource in each.resources]
    assert all(cores[resource.name] is resource for resource in brought)
    assert {"network", "subnet", "port"} == cores.keys() - {resource.name for resource in brought}
    names = [rule.name for rule in extensions.rules()]
    assert len(names) == len(set(names))
