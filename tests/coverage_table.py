"""How much of each room the tests went through: ``python -m tests.coverage_table [--floor]``, after they were counted.

Lines and branches are counted in the processes of the tests alone: what controllers and nodes of their own do is not
seen. `FLOOR` may only rise.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FLOOR = 87.0
"""Per cent of all lines and branches together; whole runs of tests fail below."""
KEYS = ("covered_lines", "covered_branches", "num_statements", "num_branches")


def room(path: str) -> str:
    """``services/image`` for a service's file, else the folder below the package."""
    parts = Path(path).parts
    inside = parts[parts.index("cumulet") + 1 :]
    return "/".join(inside[:-1][: 2 if inside[0] == "services" else 1]) or "."


def table(files: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """(room, per cent, lines and branches) of `files` as ``coverage json`` has them, the whole at the end."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(KEYS))
    for path, found in files.items():
        for name in (room(path), "all"):
            for place, key in enumerate(KEYS):
                sums[name][place] += found["summary"].get(key, 0)
    for name in [*sorted(sums.keys() - {"all"}), "all"]:
        lines, branches, statements, ways = sums[name]
        yield name, 100 * (lines + branches) / max(1, statements + ways), statements + ways


def main(words: list[str]) -> int:
    """Prints the table; 1 when `words` has ``--floor`` and the whole is below."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(place)]
        subprocess.run(command, check=True)
        rows = list(table(json.loads(place.read_text())["files"]))
    for name, share, size in rows:
        print(f"{name:<20}{share:7.1f} %  of {size:6} lines and branches")
    if "--floor" in words and rows[-1][1] < FLOOR:
        print(f"coverage: {rows[-1][1]:.1f} % is below the floor of {FLOOR} % in tests/coverage_table.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
