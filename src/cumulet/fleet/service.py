"""The link as a service: how nodes join, pull and report. Not one of OpenStack's APIs.

Nodes authenticate with the credentials of their link, or with a token when they join; the operator's own tools
(``status``, ``up``, ``admin``, ``secret``) with a secret that only root and the controller can read. Neither opens what
the other does. All of it stands in a request's head, and is looked at before the body is read.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from cumulet.db import Database, Transaction
from cumulet.desired.clouds import SEEN_HEADER, Cloud, Seen
from cumulet.desired.formats import READS_HEADER, Formats
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import MetadataQuestion
from cumulet.engine import Engine
from cumulet.fleet.model import formats, joining, told
from cumulet.fleet.model import hosts as hosts_model
from cumulet.fleet.model.adoption import Adopting
from cumulet.fleet.model.desired import ReportHandler
from cumulet.fleet.model.formats import Older, Renderer
from cumulet.fleet.model.heard import Heard
from cumulet.http import Call, Reply, Service
from cumulet.http.faults import BadRequest, Unauthorized, guideline_body
from cumulet.http.on_demand import OnDemand
from cumulet.problem import Problem

log = logging.getLogger("cumulet.fleet")

service = Service("link", faults=guideline_body)


class Subject(Struct, frozen=True):
    """Something ``explain`` can tell about."""

    kind: str
    id: str
    name: str


@dataclass
class Standing:
    """Whether this controller's rows are those that its state folder says. `estranged`: why not, a sentence; then
    nothing is removed that these rows do not know. `keep` writes down whose rows they are."""

    estranged: str | None = None
    keep: Callable[[Cloud], None] = lambda cloud: None

    def settle(self, cloud: Cloud) -> None:
        """An operator has said that these rows are right. To be called after the commit that says so."""
        self.keep(cloud)
        self.estranged = None


Find = Callable[[Transaction, str], Sequence[Subject]]
HostsChanged = Callable[[Transaction, Sequence[str]], None]
FindProblems = Callable[[], Sequence[Problem]]
"""What is wrong now, as only the controller can see it. Asked for each `status`, so it costs milliseconds at most."""
ImagePath = Callable[[Transaction, str, str], Path | None]
"""(tx, link id, image id) → the file; None when there is no such image or no guest of that link boots from it."""
AnswerMetadata = Callable[[Transaction, str, MetadataQuestion], Reply]
Ended = Callable[[Transaction, str, Sequence[str]], Set[str]]
"""(tx, link id, refs) → which of them have ended by rows that say so, or live elsewhere."""


class LostImages(Protocol):
    """Images whose bytes are there and whose rows are not."""

    def listed(self, tx: Transaction) -> list[dict[str, Any]]:
        """Their ``id``, ``store`` and ``size`` in bytes."""

    def adopt(self, db: Database, image_id: str) -> str:
        """Make the row of one, which takes as long as reading it; its name. Raises ValueError, a sentence."""


class Snapshots(Protocol):
    """Snapshots of a simulated cloud."""

    def names(self) -> list[str]:
        """Those that there are."""

    def take(self, tx: Transaction, name: str) -> int:
        """Remember all rows and images; how many rows."""

    def reset(self, tx: Transaction, name: str) -> dict[str, Any]:
        """Go back. Raises FileNotFoundError, and ValueError for one that these tables do not take."""


class Actions(Struct, frozen=True):
    """What only the operator may have done, whatever passwords and rights users have. `token`: (tx, project's name) →
    token, project's id and when it ends (µs), or None. `put_password`: (secret, password) → what became of it.
    `seal_anew`: how many sealed rows have a new key."""

    token: Callable[[Transaction, str], tuple[str, str, int] | None]
    put_password: Callable[[str, str], Mapping[str, Any]]
    seal_anew: Callable[[], int]


@dataclass
class LinkContext:
    """What the process assembly hands to the link. `operator_secret` gives the one in force, which may be replaced at
    any time."""

    operator_secret: Callable[[], str]
    engine: Engine
    renderers: Mapping[Kind, Renderer]
    reports: Mapping[Kind, ReportHandler]
    hosts_changed: Sequence[HostsChanged]
    image_path: ImagePath
    metadata: AnswerMetadata
    find: Sequence[Find]
    hosts_left: Sequence[HostsChanged] = ()
    actions: Actions | None = None
    facts: Callable[[], Mapping[str, Any]] = dict
    problems: Sequence[FindProblems] = ()
    standing: Standing = field(default_factory=Standing)
    ended: Mapping[Kind, Ended] = field(default_factory=dict)
    older: Mapping[Kind, Older] = field(default_factory=dict)
    adopters: Sequence[Adopting] = ()
    lost_images: LostImages | None = None
    snapshots: Snapshots | None = None
    on_demand: OnDemand | None = None
    heard: Heard = field(default_factory=Heard)


def a_node(call: Call) -> None:
    """Let in a node that has joined: its link is the call's sender. Raises 401."""
    link_id, secret = call.headers.get("x-cumulet-link", ""), call.headers.get("x-cumulet-secret", "")
    with call.db.read() as tx:
        if link_id and hosts_model.link_allowed(tx, link_id, secret):
            call.sender = link_id
            return
    log.warning("%s showed credentials that no node has: link %s", call.client_address, told.sentence(link_id, 40))
    raise Unauthorized("These are not the credentials of a node that joined; join again.")


def a_joiner(call: Call) -> None:
    """Let in a node that may join: the call's sender is a `joining.Joiner`. Raises 401."""
    name = call.headers.get("x-cumulet-node", "")
    if told.NAME.fullmatch(name):
        with call.db.read() as tx:
            call.sender = joining.known(tx, name, credentials(call))
        if call.sender is not None:
            return
    refused(call, "it has neither the secret of a node of that name nor a token that is good for it")
    raise Unauthorized("A node joins with a token that is good for its name, or with the secret that it had.")


def seen(call: Call) -> tuple[bool, Seen | None]:
    """Whether the node that asks remembers clouds at all (one of before does not), and the newest that it has seen.
    Raises 400."""
    text = call.headers.get(SEEN_HEADER.lower())
    try:
        return text is not None, None if text is None else told.seen(text)
    except told.FactsError as error:
        raise BadRequest(f"Cannot take this: {error}.") from None


def reads(call: Call) -> Formats:
    """Which formats of what is wanted the node that asks reads. Raises 400."""
    try:
        return formats.parsed(call.headers.get(READS_HEADER.lower()))
    except told.FactsError as error:
        raise BadRequest(f"Cannot take this: {error}.") from None


def credentials(call: Call) -> joining.Credentials:
    """What a node that joins shows."""
    return joining.Credentials(
        call.headers.get("x-cumulet-link", ""), call.headers.get("x-cumulet-secret", ""), _bearer(call)
    )


def refused(call: Call, why: str) -> None:
    """Say in the log that somebody was not let in."""
    name = told.sentence(call.headers.get("x-cumulet-node", ""), 80) or "-"
    log.warning("refused to let %s join as %s: %s", call.client_address, name, why)


def the_operator(call: Call) -> None:
    """Refuse who does not have the operator's secret. Raises 401."""
    secret: str = call.context.operator_secret()
    if not secret or not hmac.compare_digest(_bearer(call).encode(), secret.encode()):
        raise Unauthorized("This needs the operator's secret.")
    call.sender = "operator"


def _bearer(call: Call) -> str:
    return call.headers.get("authorization", "").removeprefix("Bearer ")


async def pieces(path: Path, call: Call, size: int = 1 << 20) -> AsyncIterator[bytes]:
    """A file's bytes, read on a thread."""
    with path.open("rb") as file:
        while piece := await call.in_thread(file.read, size):
            yield piece
