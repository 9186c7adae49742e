"""What a start does not wait for: modules that nobody has asked for yet are not imported.

A start is three Pythons that import one after the other, so what is imported for nothing is waited for at every `up`.
No time is asserted here; `docs/performance.md` has the measurements.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from cumulet.introduction import introductions

SOURCE = Path(__file__).resolve().parents[2] / "src"
LATER = {
    "cumulet.cli.supervise": ("cumulet.config", "dataclasses", "inspect", "logging", "shutil", "subprocess"),
    "cumulet.cli.serve": ("cumulet.cli.processes", "msgspec", "sqlalchemy", "subprocess"),
    "cumulet.cli.up": (
        *("compileall", "concurrent.futures", "cryptography", "cumulet.cli.status", "cumulet.node.imagebuild"),
        *("difflib", "msgspec", "sqlalchemy", "tempfile", "urllib.request"),
    ),
    "cumulet.cli.controller": (
        *("alembic", "boto3", "cumulet.auth.language", "jwt", "ldap3", "oauthlib", "oslo_policy", "oslo_utils"),
        *("prometheus_client", "psycopg", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm", "websockets", "yaml"),
        *(f"{each.module}.api" for each in introductions() if each.project),
    ),
    "cumulet.introduction": ("cumulet.config", "cumulet.http", "dataclasses", "msgspec", "sqlalchemy"),
    "cumulet.cli.node": ("cryptography", "cumulet.http", "cumulet.node.real", "cumulet.db", "libvirt", "sqlalchemy"),
}
"""By the module that a process begins with: what it does without until there is a reason."""
AND_THEN = {
    "cumulet.cli.controller": "; cumulet.cli.controller.assemblies()",
    "cumulet.introduction": "; cumulet.introduction.introductions()",
}
ROOMS = ("auth", "engine", "fleet", "http", "services", "db")
FROZEN = {
    "Caller": "keeps what follows from its roles when it is made",
    "Choice": "it is an operation",
    "Found": "it has a base that is no record",
    "Guard": "one of its fields is not shown",
    "LdapSettings": "its defaults say what the options of a domain are converted to",
    "Operation": "a choice is made from it",
    "Rules": "one of its fields is not shown",
    "S3Access": "its keys are not shown",
}
"""Frozen dataclasses of the controller, and why each is none of msgspec's."""


@pytest.mark.parametrize("module", LATER)
def test_what_is_not_needed_to_start_is_not_imported(module: str) -> None:
    found = _imported(f"import {module}{AND_THEN.get(module, '')}")
    assert [name for name in LATER[module] if name in found] == []


def test_a_verb_imports_no_other() -> None:
    found = _imported("from cumulet.cli.main import build_parser; build_parser('down')")
    assert "cumulet.cli.down" in found
    assert {"cumulet.cli.up", "cumulet.cli.backup", "cumulet.cli.simulate"} & found == set()


def test_every_verb_is_its_modules_own() -> None:
    words = "from cumulet.cli.main import VERBS, build_parser; assert all(build_parser(v).verbs[v] for v in VERBS)"
    assert "cumulet.cli.docs" in _imported(words)


def test_the_controllers_records_are_made_in_no_time() -> None:
    """Making a frozen dataclass compiles six functions from texts: 0.4 ms, and there are over a hundred records."""
    found = set()
    for path in (path for room in ROOMS for path in (SOURCE / "cumulet" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                made = [ast.unparse(each) for each in node.decorator_list]
                found |= {node.name for each in made if each.startswith("dataclass(") and "frozen=True" in each}
    assert found == FROZEN.keys()


def _imported(words: str) -> set[str]:
    """Names of the modules that a fresh interpreter has after these words."""
    code = f"{words}\nimport sys\nprint(*sys.modules)"
    env = {"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_controller_has_all_tables_without_its_operations() -> None:
    words = "from cumulet.cli import controller; from cumulet.db import metadata; controller.assemblies(); "
    words += "some = set(metadata.tables); assert len(some) > 90; controller.declared(); "
    _imported(words + "assert some == set(metadata.tables)")
