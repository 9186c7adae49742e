"""Bells on a host: a file for each that rings."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any

from cumulet import files
from cumulet.node.parts import World
from tests.extending.bells.desired import Bell


class BellPart:
    """See `cumulet.node.kinds.part.KindPart` for the methods. `folder`: where the files are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self, spec: Bell, world: World) -> dict[str, Any]:
        """Make it ring, or be silent."""
        if not spec.rings:
            self.absent(spec.id, world)
            return {"rings": False}
        files.put_unless_so(self._file(spec.id), "ding\n", mode=0o600)
        return {"rings": True}

    def absent(self, ref: str, world: World) -> None:
        """Make it gone; safe when it never was."""
        self._file(ref).unlink(missing_ok=True)

    def here(self) -> Set[str]:
        """Bells that ring."""
        return {path.name.removeprefix("bell-") for path in self._folder.glob("bell-*")}

    def _file(self, ref: str) -> Path:
        return self._folder / f"bell-{ref}"
