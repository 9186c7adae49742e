"""One-shot questions: the controller's to a node, and a guest's to the metadata service."""

from __future__ import annotations

from typing import Any, Literal

from cumulet.desired.shape import Shape


class Job(Shape):
    """A one-shot question to a node: `kind` console_log (args: guest, length), diagnostics or screenshot (guest); to
    one of simulated hosts also simulate (args: those of a `simulation.Order`)."""

    id: str
    host: str
    kind: Literal["console_log", "diagnostics", "screenshot", "simulate"]
    args: dict[str, Any] = {}


class JobDone(Shape):
    """The answer to a job; `result` is text (bytes as base64). Not `ok`: `result` is a sentence that says why."""

    id: str
    ok: bool
    result: str = ""


class MetadataQuestion(Shape):
    """A guest's request to 169.254.169.254, as the node saw it. `network_id` is the network that it came from: a
    router has several, and an address means nothing without its network."""

    method: str
    path: str
    address: str
    network_id: str
    headers: dict[str, str] = {}
    body: str = ""
