"""The controller's own questions and answers: how the nodes are, and what happened to a resource.

They are asked over the link's port with the link's secret; a cloud that is down has no answer.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from cumulet.cli.api_client import ApiError, call
from cumulet.config import Settings


def get(settings: Settings, path: str) -> Any:
    """GET ``/v1/<path>`` of the link. Raises ApiError, with code 0 when nothing answers."""
    url = f"{settings.local_url('link')}/v1/{path}"
    headers = {"Authorization": f"Bearer {settings.secret('link_secret')}", "Accept": "application/json"}
    try:
        status, _, body = call("GET", url, headers, timeout=10)
    except OSError as error:
        raise ApiError(f"the controller does not answer on {url}: {error}", 0) from error
    if status != 200:
        raise ApiError(body[:500].decode("utf-8", "replace").strip() or f"HTTP status {status}", status)
    return json.loads(body)


def report(settings: Settings) -> dict[str, Any] | None:
    """``nodes`` (``host``, ``up``, ``seen_at``, ``problems``, ``notes``) and ``items`` (``counts``, ``failed``).

    None when the controller cannot say.
    """
    try:
        found = get(settings, "status")
    except (ApiError, ValueError):
        return None
    return found if isinstance(found, dict) and "nodes" in found else None


def explain(settings: Settings, name_or_id: str) -> dict[str, Any]:
    """``subjects``, each with ``kind``, ``id``, ``name``, ``timeline`` (rows of ``at``, ``event``, ``message``,
    ``detail``), ``errors`` and ``waits_for``.
    """
    return dict(get(settings, f"explain/{quote(name_or_id, safe='')}"))
