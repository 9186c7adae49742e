"""The link as a service: how nodes join, pull and report. Not one of OpenStack's APIs.

Nodes authenticate with the credentials of their link; the operator's own tools (``status``, ``explain``) with the
cloud's join token, which only root and the controller can read.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cumulet.desired.shapes import Kind, MetadataQuestion
from cumulet.engine import Engine
from cumulet.fleet.model import hosts as hosts_model
from cumulet.fleet.model.desired import Renderer, ReportHandler
from cumulet.http import Call, Reply, Service
from cumulet.http.faults import Unauthorized, guideline_body
from cumulet.store import Transaction

service = Service("link", faults=guideline_body)


@dataclass(frozen=True)
class Subject:
    """Something ``explain`` can tell about."""

    kind: str
    id: str
    name: str


Find = Callable[[Transaction, str], Sequence[Subject]]
HostsChanged = Callable[[Transaction, Sequence[str]], None]


@dataclass
class LinkContext:
    """What the process assembly hands to the link. `image_path`: (tx, link id, image id) → the file, None when there is
    no such image or no guest of that link boots from it."""

    join_token: str
    engine: Engine
    renderers: Mapping[Kind, Renderer]
    reports: Mapping[Kind, ReportHandler]
    hosts_changed: Sequence[HostsChanged]
    image_path: Callable[[Transaction, str, str], Path | None]
    metadata: Callable[[Transaction, str, MetadataQuestion], Reply]
    find: Sequence[Find]
    facts: Callable[[], Mapping[str, Any]] = dict


def link_of(call: Call, tx: Transaction) -> str:
    """The link that calls. Raises 401."""
    link_id, secret = call.headers.get("x-cumulet-link", ""), call.headers.get("x-cumulet-secret", "")
    if not link_id or not hosts_model.link_allowed(tx, link_id, secret):
        raise Unauthorized("These are not the credentials of a node that joined; join again.")
    return link_id


def operator(call: Call) -> None:
    """Refuse who does not have the cloud's own token. Raises 401."""
    token = call.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(token.encode(), call.context.join_token.encode()):
        raise Unauthorized("This needs the cloud's join token.")


async def pieces(path: Path, call: Call, size: int = 1 << 20) -> AsyncIterator[bytes]:
    """A file's bytes, read on a thread."""
    with path.open("rb") as file:
        while piece := await call.in_thread(file.read, size):
            yield piece


def load() -> Service:
    """The service with its operations."""
    from cumulet.fleet.api import explain, link, status  # noqa: F401 - importing declares the operations

    return service
