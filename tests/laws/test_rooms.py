"""Which room may import which, and who may touch the world."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from tests.laws.source import imports, modules, path_of, room

KNOW_NO_SERVICE = {"http", "db", "engine", "auth", "desired", "fleet"}
ASSEMBLY = {"cumulet.cli.controller", "cumulet.cli.node"}
MAY_RUN_COMMANDS = {"node", "cli", "testing"}
WORLD = ("subprocess", "libvirt", "pyroute2")
SQL_ROOMS = {"db", "engine"}


def breaches(check: Callable[[str, str], bool]) -> list[str]:
    return [
        f"{path_of(name)}:{line}: {target}"
        for name, tree in modules().items()
        for target, line in imports(tree)
        if check(name, target)
    ]


def test_services_meet_only_at_their_doors() -> None:
    def check(name: str, target: str) -> bool:
        if not target.startswith("cumulet.services.") or name in ASSEMBLY or room(name) == room(target):
            return False
        return target.split(".")[3:4] not in (["door"], [])

    assert breaches(check) == []


def test_http_store_engine_and_fleet_know_no_service() -> None:
    assert breaches(lambda name, target: room(name) in KNOW_NO_SERVICE and ".services" in target) == []


def test_the_node_knows_neither_store_nor_services() -> None:
    rooms = {"db", "engine", "http", "fleet", "auth"}

    def check(name: str, target: str) -> bool:
        return (
            room(name) == "node"
            and target.startswith("cumulet.")
            and (room(target) in rooms or room(target).startswith("services"))
        )

    assert breaches(check) == []


def test_the_contract_imports_nothing_of_ours() -> None:
    assert breaches(lambda n, t: room(n) == "desired" and t.startswith("cumulet.") and room(t) != "desired") == []


def test_only_the_node_and_the_command_line_touch_the_world() -> None:
    def check(name: str, target: str) -> bool:
        return target.split(".")[0] in WORLD and room(name) not in MAY_RUN_COMMANDS

    assert breaches(check) == []


def test_sql_stays_in_its_rooms() -> None:
    def check(name: str, target: str) -> bool:
        parts = name.split(".")
        own = {"model", "tables", "extensions"}.intersection(parts) or parts[-1] in ("door", "extension")
        allowed = room(name) in SQL_ROOMS or own
        return target.startswith("sqlalchemy.") and target != "sqlalchemy.Row" and not allowed

    assert breaches(check) == []


@pytest.mark.parametrize("word", ["utils", "common", "manager", "base", "helpers", "misc"])
def test_no_module_is_called(word: str) -> None:
    assert [name for name in modules() if word in name.split(".")] == []


def test_no_shell() -> None:
    found = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                found.append(f"{path_of(name)}:{node.value.lineno}")
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path_of(name)) for name, tree in modules().items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []
