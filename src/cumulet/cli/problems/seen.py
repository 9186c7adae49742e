"""What was found of a cloud when somebody asked, for the checks to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cumulet.cli import hints
from cumulet.cli.processes import ProcessRow
from cumulet.cli.readiness import Endpoint
from cumulet.config import Settings


@dataclass(frozen=True)
class Seen:
    """`rows` is empty when the cloud is down. `report`: the controller's own words (``/v1/status`` of the link), None
    when it gave none, and then `silence` says why."""

    settings: Settings
    rows: Sequence[ProcessRow] = ()
    endpoints: Sequence[Endpoint] = ()
    report: Mapping[str, Any] | None = None
    silence: str = ""

    @property
    def state(self) -> Path:
        return self.settings.state

    @property
    def running(self) -> bool:
        return bool(self.rows)

    @property
    def started(self) -> float:
        """When the oldest process of the cloud began, in seconds since 1970."""
        return min((row.started for row in self.rows), default=0.0)

    def command(self, words: str) -> str:
        """`words` as they are to be typed for this cloud."""
        return hints.command(words, self.state)
