"""The controller's own questions and answers: how the nodes are, and what happened to a resource.

They are asked over the link's port with the operator's secret; a cloud that is down has no answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from cumulet.cli import trust
from cumulet.cli.api_client import ApiError, Session, call
from cumulet.config import LOOPBACK, Settings
from cumulet.introduction import introductions
from cumulet.node import peer

UNAUTHORIZED, NOT_FOUND = 401, 404


def get(settings: Settings, path: str) -> Any:
    """GET ``/v1/<path>`` of the link. Raises ApiError, with code 0 when nothing answers."""
    return _ask(settings, "GET", path)


def post(settings: Settings, path: str, body: Any) -> Any:
    """POST ``/v1/<path>`` of the link. Raises ApiError, with code 0 when nothing answers."""
    return _ask(settings, "POST", path, body)


def token(settings: Settings, name: str | None) -> dict[str, Any]:
    """A fresh ``token`` for one node to join with, its ``name`` and when it ``expires_at``. Raises ApiError."""
    return dict(_ask(settings, "POST", "tokens", {} if name is None else {"name": name}))


def act(settings: Settings, path: str, body: Any, timeout: float = 600) -> dict[str, Any]:
    """POST to ``/v1/<path>`` something that takes its time. Raises ApiError."""
    return dict(_ask(settings, "POST", path, body, timeout))


def session(settings: Settings, project: str) -> Session | None:
    """A session of the cloud's own in a project (admin or demo), which furnishes it; None when there is no such
    project any more. It asks the APIs where they listen, whatever the catalog says. Raises ApiError."""
    try:
        made = _ask(settings, "POST", "sessions", {"project": project})
    except ApiError as error:
        if error.code == NOT_FOUND:
            return None
        raise
    endpoints = {each.type: settings.local_url(each.type) for each in introductions() if each.project}
    found = Session.of(made["token"], made["project_id"], endpoints)
    found.shown = trust.certificate(settings)
    return found


def furnished(settings: Settings) -> set[str]:
    """What has been put into the cloud. Raises ApiError."""
    return set(get(settings, "furnished")["furnished"])


def keep_furnished(settings: Settings, names: Iterable[str]) -> None:
    """Say what has been put into the cloud. Raises ApiError."""
    _ask(settings, "POST", "furnished", {"furnished": sorted(names)})


def put_password(settings: Settings, secret: str, password: str) -> dict[str, Any]:
    """Give the users of a secret a new password. Raises ApiError."""
    return dict(_ask(settings, "PUT", f"passwords/{secret}", {"password": password}))


def seal_anew(settings: Settings) -> int:
    """Rotate the keys of credentials; how many were sealed anew. Raises ApiError."""
    return int(_ask(settings, "POST", "credential-keys", {}, timeout=120)["sealed"])


def nodes(settings: Settings) -> list[dict[str, Any]]:
    """Nodes that joined: ``name``, ``since`` when they have their secret (s), ``up``, and whether one ``waits`` for
    another. Raises ApiError."""
    return list(get(settings, "nodes")["nodes"])


def renew_nodes(settings: Settings) -> None:
    """Have every node ask for a new secret. Raises ApiError."""
    _ask(settings, "POST", "nodes/renewal", {})


def _ask(settings: Settings, method: str, path: str, body: Any = None, timeout: float = 10) -> Any:
    """One question. A secret that was replaced while we asked is read again."""
    secret = settings.secret("operator_secret")
    try:
        return _asked(settings, secret, method, path, body, timeout)
    except ApiError as error:
        fresh = settings.secret("operator_secret")
        if error.code != UNAUTHORIZED or fresh == secret:
            raise
    return _asked(settings, fresh, method, path, body, timeout)


def _asked(settings: Settings, secret: str, method: str, path: str, body: Any, timeout: float) -> Any:
    url = f"{settings.local_url('link')}/v1/{path}"
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
    data = None
    if body is not None:
        headers["Content-Type"], data = "application/json", json.dumps(body).encode()
    try:
        peer.check_listener((LOOPBACK, settings.ports.of("link")), controllers(settings))
        status, _, text = call(method, url, headers, data, timeout=timeout)
    except OSError as error:
        raise ApiError(f"the controller does not answer on {url}: {error}", 0) from error
    if status >= 300:
        raise ApiError(_told(text) or f"HTTP status {status}", status)
    return json.loads(text) if text else None


def _told(text: bytes) -> str:
    """The sentence of an error."""
    try:
        return str(json.loads(text)["errors"][0]["detail"])
    except (ValueError, KeyError, IndexError, TypeError):
        return text[:500].decode("utf-8", "replace").strip()


def controllers(settings: Settings) -> frozenset[int]:
    """Ids of users whom this machine's controller may run as: whose its secrets are, root, and who asks."""
    return frozenset({0, os.geteuid(), settings.secrets_dir.lstat().st_uid})


def report(settings: Settings) -> dict[str, Any]:
    """``nodes`` (``host``, ``up``, ``seen_at``, ``hold``, ``problems``, ``notes``), ``items`` (``counts``, ``failed``,
    ``left_out``) and the controller's own ``problems`` (``code``, ``sentence``, ``advice``). Raises ApiError when the
    controller cannot say."""
    try:
        found = get(settings, "status")
    except ValueError as error:
        raise ApiError("its answer cannot be read", 0) from error
    if not isinstance(found, dict) or "nodes" not in found:
        raise ApiError("its answer says nothing of nodes", 0)
    return found


def standing(settings: Settings) -> dict[str, Any]:
    """The ``nodes`` of `report` (``host``, ``up``, ``hold``, ``left``, ``forced_down``) and whether the controller is
    ``estranged``, without what takes it longer to say. Raises ApiError, and never says less than `report` would."""
    try:
        return dict(get(settings, "standing"))
    except ApiError as error:
        if error.code != NOT_FOUND:
            raise
    return report(settings)  # a controller of before there was this question


def explain(settings: Settings, name_or_id: str) -> dict[str, Any]:
    """``subjects``, each with ``kind``, ``id``, ``name``, ``timeline`` (rows of ``at``, ``event``, ``message``,
    ``detail``), ``errors`` and ``waits_for``.
    """
    return dict(get(settings, f"explain/{quote(name_or_id, safe='')}"))
