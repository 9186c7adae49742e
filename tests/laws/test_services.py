"""A service introduces itself: who else names one, and why."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

from cumulet import services
from cumulet.introduction import introductions
from cumulet.process import Part
from tests.laws.source import PACKAGE, ROOT, imports, modules, path_of, room

TYPES = {each.type for each in introductions() if each.project}
AS_A_CLIENT = "it uses the APIs as any client does"
A_KIND = "there are kinds of desired state, roles of hosts and things of these names, too"
NAMED = {
    "auth/access_rules.py": ({"identity"}, "a token may always be looked at, as keystonemiddleware has it"),
    "cli/adopt.py": ({"image"}, "images without a row are things to adopt"),
    "cli/api_client.py": ({"compute", "identity", "image", "network"}, AS_A_CLIENT),
    "cli/first_user.py": ({"compute", "image", "network"}, AS_A_CLIENT),
    "cli/guest_image.py": ({"image"}, "a verb is called so"),
    "cli/main.py": ({"image"}, "a verb is called so"),
    "cli/words.py": ({"compute", "identity", "image", "network"}, "commands of the official client begin so"),
    "desired/hosts.py": ({"compute", "network"}, A_KIND),
    "desired/kinds.py": ({"network"}, A_KIND),
    "desired/checks/__init__.py": ({"network"}, A_KIND),
    "fleet/api/link.py": ({"network"}, A_KIND),
    "fleet/api/operator.py": ({"image"}, A_KIND),
    "fleet/door.py": ({"network"}, A_KIND),
    "fleet/model/adoption.py": ({"network"}, A_KIND),
    "fleet/model/desired.py": ({"network"}, A_KIND),
    "fleet/model/hosts.py": ({"compute", "network"}, A_KIND),
    "fleet/model/told.py": ({"compute", "network"}, A_KIND),
    "node/agent.py": ({"network"}, A_KIND),
    "node/guest/domain.py": ({"image"}, A_KIND),
    "node/kinds/network.py": ({"network"}, A_KIND),
    "node/kinds/port.py": ({"network"}, A_KIND),
    "node/real.py": ({"network"}, A_KIND),
    "node/simulated.py": ({"network"}, A_KIND),
}
"""Files outside of services with a service type in them: which, and why. The list may only shrink."""
IMPORTED = {
    "cumulet.cli.keys": {"identity"},
    "cumulet.cli.secret": {"identity"},
    "cumulet.cli.standing": {"image"},
}
"""Modules outside of services that import one. The list may only shrink."""


def outside() -> Iterator[tuple[Path, ast.Module]]:
    for name, tree in modules().items():
        if not room(name).startswith("services") and ".migrations." not in name:
            yield path_of(name).relative_to(PACKAGE), tree


def test_nobody_else_names_a_service() -> None:
    found: dict[str, set[str]] = {}
    for path, tree in outside():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TYPES:
                found.setdefault(str(path), set()).add(node.value)
    expected = {path: words for path, (words, _) in NAMED.items()}
    assert found == expected, "let the service say it: src/cumulet/introduction.py, src/cumulet/process.py"


def test_http_names_none() -> None:
    assert not [path for path in NAMED if path.startswith(("http/", "config/", "engine/", "db/"))]


def test_nobody_else_imports_a_service() -> None:
    found: dict[str, set[str]] = {}
    for name, tree in modules().items():
        if room(name).startswith("services"):
            continue
        for target, _ in imports(tree):
            parts = target.split(".")
            if parts[:2] == ["cumulet", "services"] and parts[2:3] and parts[2] in TYPES:
                found.setdefault(name, set()).add(parts[2])
    assert found == IMPORTED


def test_each_service_has_its_rooms() -> None:
    for each in introductions():
        assert callable(each.found("api").load), each.type
        if each.type == "link":  # it is made out of the others' parts
            continue
        assemble = each.found("assembly").assemble
        assert inspect.signature(assemble, eval_str=True).return_annotation is Part, each.type


def test_each_service_of_the_folder_is_in_the_list() -> None:
    folder = Path(str(services.__file__)).parent
    named = {f"cumulet.services.{path.parent.name}" for path in folder.glob("*/__init__.py")}
    assert named == {each for each in services.SERVICES if each.count(".") == 2 and ".services." in each}


def test_paths_below_which_services_share_a_port_are_words() -> None:
    prefixes = [each.prefix for each in introductions() if each.prefix]
    assert all(prefix.startswith("/") and prefix.count("/") == 1 and prefix[1:].isalpha() for prefix in prefixes)
    assert (ROOT / "docs" / "extending.md").exists()
