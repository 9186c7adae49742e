"""What OpenStack's own services have and Cumulet has not: their operations, without ours.

What they have is in ``upstream.txt`` of each service's folder, read off the API references of their source at the
commit that it names: a method, a path and, where there are several, the action in the body. What we have is declared.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cumulet.http import Service
from cumulet.introduction import introduced

_VERSION = re.compile(r"^/v\d[\d.]*(?=/|\Z)")
_WHICH, _REST = "?", "*"


def absent(services: Mapping[str, Service]) -> dict[str, list[dict[str, str]]]:
    """By service, the operations that it has upstream alone: ``method``, ``path`` and, for some, ``action``."""
    return {name: _of(service, _upstream(name)) for name, service in sorted(services.items())}


def page(found: Mapping[str, list[dict[str, str]]]) -> str:
    """The same for people, as Markdown."""
    lines = ["# What is not here", "", "Operations of OpenStack's API references that Cumulet does not have.", ""]
    for name, rows in found.items():
        lines += [f"## {name}: {len(rows)}", ""]
        lines += [f"- `{row['method']} {row['path']}` {row.get('action', '')}".rstrip() for row in rows]
        lines.append("")
    return "\n".join(lines)


def _upstream(name: str) -> str:
    """The list of a service; empty for one that OpenStack does not have."""
    file = Path(str(importlib.import_module(introduced(name).module).__file__)).with_name("upstream.txt")
    return file.read_text() if file.exists() else ""


def _of(service: Service, upstream: str) -> list[dict[str, str]]:
    ours = {(each.method, *_steps(each.path)) for each in service.operations}
    actions = {(_placeless(each.path), each.action) for each in service.operations if each.action}
    rows = []
    for line in upstream.splitlines():
        if line.startswith("#"):
            continue
        method, path, *action = line.split()
        if action:
            there = (_placeless(path), action[0]) in actions
        else:
            there = _there((method, *_steps(path)), ours)
        if not there:
            row: dict[str, Any] = {"method": method, "path": path}
            rows.append(row | ({"action": action[0]} if action else {}))
    return rows


def _there(wanted: tuple[str, ...], ours: set[tuple[str, ...]]) -> bool:
    """Whether one of ours is that operation. HEAD is answered wherever GET is. A place in the path of theirs may be a
    word in ours, as in ``/ports/ID/tags`` for ``/{resource_type}/{resource_id}/tags``, never the other way round, but
    for what takes the rest of a path, whatever it is."""
    if wanted in ours:
        return True
    if wanted[0] == "HEAD":
        return _there(("GET", *wanted[1:]), ours)
    for each in ours:
        if each[-1] == _REST and wanted[: len(each) - 1] == each[:-1]:
            return True
        if len(each) == len(wanted) and all(a in (b, _WHICH) for a, b in zip(wanted, each, strict=True)):
            return True
    return False


def _steps(path: str) -> list[str]:
    return _placeless(path).strip("/").split("/")


def _placeless(path: str) -> str:
    """Without the version, and with every place the same."""
    whole = re.sub(r"\{\*[^}]*\}", _REST, _VERSION.sub("", path))
    return re.sub(r"\{[^}]*\}", _WHICH, whole) or "/"
