"""Looks for secrets where none may be: in logs, and in the arguments and environments of processes.

Used by tests on clouds of real processes, and as a program inside a test's machine:
``python3 leaks.py STATE < known.json``, where known.json maps what a secret is to its text; it prints what it found
as a JSON list and ends with 1 when that is not empty. It never prints a secret. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

SHORTEST = 8
"""A text shorter than this is found everywhere and is no secret of ours."""

PATTERNS = {
    "a Fernet token": re.compile(rb"gAAAA[\w-]{60,}"),
    "a query with a token": re.compile(rb"[?&;](?:token|password|secret)=(?!\[hidden\])[\w%-]{8,}"),
    "a signature": re.compile(rb"(?i)x-amz-signature=[0-9a-f]{16,}"),
    "a password in an address": re.compile(rb"://[^\s/@:]+:[^\s/@]+@"),
}
"""What is a secret by its look, whoever it was given to."""

_LOGS = ("log", "node/libvirt", "node/log", "run")


def of_state(state: Path) -> dict[str, str]:
    """Every secret that a cloud keeps in its state folder: passwords, keys, the node's credentials, the database's."""
    found: dict[str, str] = {}
    for file in sorted((state / "secrets").rglob("*")):
        if not file.is_file():
            continue
        text = file.read_text(errors="replace").strip()
        if file.name == "database_url":
            text = unquote(urlsplit(text).password or "")
        found[f"secrets/{file.relative_to(state / 'secrets')}"] = text
    link = state / "node" / "link.json"
    if link.exists():
        found["the node's secret"] = str(json.loads(link.read_text())["secret"])
    return found


def leaks(state: Path, known: Mapping[str, str]) -> list[str]:
    """Which of `known` and of what looks like a secret stands where, one sentence each."""
    values = [(what, spelling) for what, text in known.items() for spelling in _spellings(text)]
    found = []
    for place, content in (*_logs(state), *_processes()):
        found += [f"{what} in {place}" for what, value in values if value in content]
        if place.startswith("log/"):  # other processes of the machine are not ours to judge by their look
            found += [f"{what} in {place}" for what, pattern in PATTERNS.items() if pattern.search(content)]
    return sorted(set(found))


def _spellings(text: str) -> Iterator[bytes]:
    """A secret as it is, and as an address has it."""
    if len(text) >= SHORTEST:
        yield text.encode()
        if quote(text, safe="") != text:
            yield quote(text, safe="").encode()


def _logs(state: Path) -> Iterator[tuple[str, bytes]]:
    for folder in _LOGS:
        for file in sorted((state / folder).rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield str(file.relative_to(state)), file.read_bytes()


def _processes() -> Iterator[tuple[str, bytes]]:
    """Arguments and environments of all processes that may be looked at, but for our own."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        for name, what in (("cmdline", "arguments"), ("environ", "environment")):
            try:
                content = (entry / name).read_bytes()
            except OSError:  # it has ended, or is not ours to look at
                continue
            yield f"{what} of process {entry.name}", content


if __name__ == "__main__":
    of = Path(sys.argv[1])
    said = leaks(of, {**of_state(of), **json.load(sys.stdin)})
    print(json.dumps(said))
    sys.exit(1 if said else 0)
