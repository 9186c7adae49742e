"""What this cloud has made on this machine, written down before it is made.

One small file per thing, in the state folder. Two clouds on one machine tell by it what is theirs; a crash
at any point leaves at most a note about something that does not exist, never something without a note.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from cumulet.node.net.names import checked
from cumulet.node.net.run import write_whole

Noun = Literal["networks", "routers", "ports", "groups"]


class Registry:
    """Notes under `folder`, by noun and id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, noun: Noun, identifier: str, **facts: Any) -> None:
        """Write that a thing is ours, with what is needed to remove it."""
        place = self._folder / noun
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(place / checked(identifier), json.dumps(facts, sort_keys=True), 0o600)

    def forget(self, noun: Noun, identifier: str) -> None:
        """Remove the note, after the thing is gone."""
        (self._folder / noun / checked(identifier)).unlink(missing_ok=True)

    def ids(self, noun: Noun) -> set[str]:
        """Ids of all noted things of a noun."""
        try:
            return {entry.name for entry in (self._folder / noun).iterdir() if not entry.name.startswith(".")}
        except FileNotFoundError:
            return set()

    def facts(self, noun: Noun, identifier: str) -> dict[str, Any] | None:
        """What was noted about a thing; None when there is no note. A torn note counts as one without
        facts."""
        try:
            found = json.loads((self._folder / noun / checked(identifier)).read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
