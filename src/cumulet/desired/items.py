"""Items of desired state, as the long poll brings them, and the reports on them.

An item is addressed by (host, kind, ref) and carries a revision that only rises; a receiver refuses a revision older
than the one it has.
"""

from __future__ import annotations

from typing import Any, Literal

from cumulet.desired.clouds import Cloud
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import Job, JobDone
from cumulet.desired.shape import Shape


class Item(Shape):
    """One piece of desired state for one host. `gone` means: make it absent; then `spec` is None. `format` is that of
    the spec (see `formats`). `deferred`: why there is no spec though it is wanted, a sentence; then what is there of it
    stays as it is. A node of before does not know this word and refuses an item without a spec, with the same end."""

    host: str
    kind: Kind
    ref: str
    revision: int
    gone: bool = False
    format: int = 1
    spec: Any = None
    deferred: str | None = None


class Changes(Shape):
    """Answer of the long poll. `revision` is what to poll from next; `full` says that this is all that is wanted: of
    what is not listed nobody says that it is unwanted. `cloud`: who answers; a controller of before has no word for
    it."""

    revision: int
    items: list[Item] = []
    jobs: list[Job] = []
    full: bool = False
    cloud: Cloud | None = None


class Report(Shape):
    """What a node did about an item. `state`: ready, absent, failed or working. `error` is a sentence a tenant may
    read (no path, no command line); `detail` is for operators: why it failed, or what the node left out of an item that
    is ready otherwise. `facts` are a `GuestState` for guests, nothing for the other kinds."""

    host: str
    kind: Kind
    ref: str
    revision: int
    state: Literal["ready", "absent", "failed", "working"]
    error: str | None = None
    detail: str | None = None
    facts: dict[str, Any] = {}


class Reports(Shape):
    """What a node sends: reports and answers, in the order in which they happened."""

    reports: list[Report] = []
    jobs: list[JobDone] = []
