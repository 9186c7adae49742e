"""What a service is given by the process that it is put into, and what it brings along.

``assembly.assemble(process)`` of each service makes its `Part`; ``cumulet.cli.controller`` joins them and knows none of
them by name. A part holds what the service is asked by others than its clients: nodes, the operator, threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cumulet.config import Settings
from cumulet.db import Database, Transaction
from cumulet.desired.kinds import Kind
from cumulet.engine import Engine, Workers
from cumulet.engine.retention import Forgets
from cumulet.fleet.model.adoption import Adopting
from cumulet.fleet.model.desired import ReportHandler
from cumulet.fleet.model.formats import Older, Renderer
from cumulet.fleet.service import (
    Actions,
    AnswerMetadata,
    Ended,
    Find,
    FindProblems,
    HostsChanged,
    ImagePath,
    LostImages,
    Standing,
)
from cumulet.http.app import Authenticate

if TYPE_CHECKING:
    from prometheus_client.core import Metric

T = TypeVar("T")


class CannotBegin(Exception):
    """A process cannot be put together as the state folder is. The text says why; trying again does not help."""


class Worker(NamedTuple):
    """Something that a process does by itself, on a thread of that name, until the event is set."""

    name: str
    run: Callable[[threading.Event], None]


class Snapshotted(NamedTuple):
    """What of a service goes along when a simulated cloud goes back to a snapshot.

    `take` puts what is no row into the snapshot's folder. `before` is called with that folder before the rows are
    exchanged, and what it gives is called after it, in the same transaction. `staying`: tables whose rows stay.
    """

    before: Callable[[Transaction, Path], Callable[[], None]]
    take: Callable[[Path], None] | None = None
    staying: frozenset[str] = frozenset()


@dataclass
class Part:
    """What one service brings. `context` is what its handlers find in ``call.context``.

    For requests of all services: `authenticate` (one service has it). For nodes: `renderers` and `reports` of the kinds
    that are its own, how the formats before the newest are written (`older`), which of them have `ended`, what it does
    when hosts come and change (`hosts_changed`) and are gone (`hosts_left`); `image_path` and `metadata`, which one
    service each answers. For the operator: `find` for ``explain``, `adopters`, `lost_images`, `snapshotted`,
    `problems` for ``status``, `gauges` for ``/metrics``, `actions`. For the process: `forgets`, the kinds of rows that
    go after ``keep_deleted_days``, under the name that `status` shows; `workers`; `grows_in`, folders whose
    disk fills up.
    """

    context: Any = None
    authenticate: Authenticate | None = None
    renderers: Mapping[Kind, Renderer] = field(default_factory=dict)
    older: Mapping[Kind, Older] = field(default_factory=dict)
    reports: Mapping[Kind, ReportHandler] = field(default_factory=dict)
    ended: Mapping[Kind, Ended] = field(default_factory=dict)
    hosts_changed: HostsChanged | None = None
    hosts_left: HostsChanged | None = None
    image_path: ImagePath | None = None
    metadata: AnswerMetadata | None = None
    find: Find | None = None
    adopters: Sequence[Adopting] = ()
    lost_images: LostImages | None = None
    snapshotted: Snapshotted | None = None
    problems: Sequence[FindProblems] = ()
    gauges: Callable[[Transaction], Iterable[Metric]] | None = None
    actions: Actions | None = None
    forgets: Mapping[str, Forgets] = field(default_factory=dict)
    workers: Sequence[Worker] = ()
    grows_in: Sequence[Path] = ()


@dataclass
class Process:
    """What a service is given. `parts`: those of the services before it in the list, by type; `jobs`: who does its work
    with I/O."""

    settings: Settings
    db: Database
    engine: Engine
    standing: Standing
    parts: dict[str, Part] = field(default_factory=dict)
    jobs: Workers = field(default_factory=Workers)

    @property
    def simulated(self) -> bool:
        """Whether no host is real."""
        return self.settings.simulated is not None

    def context(self, kind: type[T]) -> T:
        """The context of that class, of a service before in the list. Raises LookupError."""
        for part in self.parts.values():
            if isinstance(part.context, kind):
                return part.context
        raise LookupError(kind)
