"""The catalog as one token sees it: URLs filled in with its project and user.

An endpoint whose URL needs a project is left out of a catalog that has none, as Keystone does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SLOT = re.compile(r"[$%]\((\w+)\)s")
SLOTS = frozenset({"tenant_id", "project_id", "user_id", "public_bind_host", "admin_bind_host", "compute_host"})


def filled(catalog: list[dict[str, Any]], user_id: str, project_id: str | None) -> list[dict[str, Any]]:
    """`catalog` of a snapshot with its URLs filled in."""
    values = {"user_id": user_id}
    if project_id is not None:
        values.update(tenant_id=project_id, project_id=project_id)
    return [{**service, "endpoints": _endpoints(service["endpoints"], values)} for service in catalog]


def _endpoints(endpoints: list[dict[str, Any]], values: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for endpoint in endpoints:
        url = endpoint["url"]
        if "(" in url:
            if any(name not in values for name in _SLOT.findall(url)):
                continue
            url = _SLOT.sub(lambda match: values[match[1]], url)
        found.append({**endpoint, "url": url})
    return found
