"""`cumulet log`: what the processes of a cloud logged, in one order.

    log                      the last lines of all of them
    log --request REQ-ID     what belongs to one call (the header X-Openstack-Request-Id)
    log --server NAME        what names a server, or a call that was made for it
    log --since 10m          of the last ten minutes; also 2026-11-30T12:00
    log --follow             and what comes

It reads the files below ``log`` in the state folder, rotated ones too, whether the cloud runs or not.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cumulet.cli import foreground, link_client, processes, supervise
from cumulet.cli.api_client import ApiError
from cumulet.cli.errors import CliError
from cumulet.config import ConfigError, Settings

LAST = 200
"""Records that are shown when nothing says which."""

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{3}))?(?:[.,]\d+)?(?: ?(Z|[+-]\d\d:?\d\d))?")
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass
class Record:
    """A line that begins with a time, and those below it that do not."""

    at: datetime
    process: str
    lines: list[str]

    def has(self, texts: Sequence[str]) -> bool:
        """Whether it names any of `texts`; with none, always."""
        return not texts or any(text in line for line in self.lines for text in texts)


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser(
        "log",
        help="what the processes logged, in one order",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--request", metavar="ID", help="one call")
    parser.add_argument("--server", metavar="NAME|ID", help="one server")
    parser.add_argument("--since", metavar="TIME", help="from this time on (10m, 2h, 2026-11-30T12:00)")
    parser.add_argument("--follow", "-f", action="store_true", help="and what comes, until Ctrl-C")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0, also when nothing was found."""
    folder = args.state / "log"
    if args.state.is_file():
        raise CliError(f"{args.state} is a file; --state wants a folder")
    if not folder.is_dir():
        raise CliError(f"{args.state} holds no logs of a cloud")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise CliError(f"{folder} is not yours to read; run this as the user who started the cloud")
    wanted = [text for text in (args.request,) if text] + (_of_server(args.state, args.server) if args.server else [])
    since = _since(args.since, datetime.now(UTC)) if args.since else None
    following = {name: foreground.Log(file, _size(file)) for name, file in _current(folder).items()}
    found = (each for each in merged(folder) if (since is None or each.at >= since) and each.has(wanted))
    for record in found if wanted or since else deque(found, LAST):
        _print(record)
    while args.follow:
        time.sleep(foreground.LOOK_S)
        for name, log in following.items():
            for record in _records(name, log.lines()):
                if record.has(wanted):
                    _print(record)
    return 0


def merged(folder: Path) -> list[Record]:
    """All records of all processes by time; of one process in the order in which it wrote them."""
    every = [record for name, file in _current(folder).items() for record in _records(name, _lines(file))]
    return sorted(every, key=lambda record: record.at)


def _current(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.log" for name in ("supervisor", *processes.CHILDREN)}


def _lines(file: Path) -> Iterator[str]:
    """Lines of the file, after those of the ones that it was before it was rotated."""
    for path in (*supervise.rotated(file), file):
        try:
            with path.open(encoding="utf-8", errors="replace") as text:
                yield from (line.rstrip("\n") for line in text)
        except FileNotFoundError:
            continue
        except PermissionError:
            raise CliError(f"{path} is not yours to read; run this as the user who started the cloud") from None


def _records(process: str, lines: Iterator[str] | list[str]) -> Iterator[Record]:
    """Lines that say no zone are of this machine's, but for the supervisor's, which are of UTC."""
    record: Record | None = None
    for line in lines:
        at = _time(line, utc=process == "supervisor")
        if at is not None:
            if record is not None:
                yield record
            record = Record(at, process, [line])
        elif record is not None:
            record.lines.append(line)
    if record is not None:
        yield record


def _time(line: str, *, utc: bool) -> datetime | None:
    stamp = _STAMP.search(line, 0, 64)
    if stamp is None or (stamp.start() > 0 and not line.startswith("{")):
        return None
    day, clock, milliseconds, zone = stamp.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}.{milliseconds or '000'}{(zone or '').replace('Z', '+00:00')}")
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC) if utc else at.astimezone()
    return at


def _since(text: str, now: datetime) -> datetime:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise CliError(f"--since {text} is no time; it is like 10m, 2h or 2026-11-30T12:00") from None


def _of_server(state: Path, name: str) -> list[str]:
    """The server's id, and the ids of the calls that were made for it; the name itself when the cloud is down."""
    try:
        subjects = link_client.explain(Settings.load(state), name)["subjects"]
    except ApiError as error:
        if error.code == 0:
            return [name]
        raise CliError(f"no server {name} is known here") from None
    except ConfigError:
        return [name]
    rows = [row for subject in subjects for row in subject["timeline"]]
    return [subject["id"] for subject in subjects] + sorted({row["request_id"] for row in rows if "request_id" in row})


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _print(record: Record, write: Callable[..., None] = print) -> None:
    for line in record.lines:
        write(f"{record.process:<10} {line}", flush=True)
