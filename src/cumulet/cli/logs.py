"""What the processes of a cloud write into their logs, and what never gets there.

Secrets are not logged where they are known to be secrets. This is the net below: libraries log requests as they came,
and errors repeat the address that failed, with all that stands in it. Must never raise.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import struct
import time
from pathlib import Path

from cumulet.cli.errors import CliError
from cumulet.cli.moments import stamp
from cumulet.config import Settings

HIDDEN = "[hidden]"
_FORM = "%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"
_SHORT = "%(levelname)s %(name)s %(message)s"  # what syslog and the journal do not know themselves
_TALKATIVE = ("uvicorn", "websockets", "sqlalchemy", "botocore", "boto3", "s3transfer", "urllib3", "ldap3", "oauthlib")
"""Libraries that tell of each request with its query, its headers or its values: only their warnings are wanted."""

_RULES = (
    # The query of an address: console tokens, signatures, what clients put there by mistake.
    (re.compile(r"(?<=[^\s?])\?[^\s\"'<>?]*=[^\s\"'<>]*"), f"?{HIDDEN}"),
    # The name and password in an address.
    (re.compile(r"(?<=://)[^\s/@\"']+@"), f"{HIDDEN}@"),
    # Fernet tokens, wherever they stand.
    (re.compile(r"gAAAA[\w-]{40,}={0,2}"), HIDDEN),
    # Tokens in a path, as Keystone's second version and Nova's consoles have them.
    (re.compile(r"(?<=/)((?:v2\.0/|os-console-auth-)tokens/)[^\s/\"'<>]+"), rf"\1{HIDDEN}"),
    # Headers that somebody shows.
    (
        re.compile(
            r"(?i)\b(authorization|cookie|x-(?:auth|subject|service|storage|cumulet)-(?:token|secret))(\W{1,4})[^\r\n]*"
        ),
        rf"\1\2{HIDDEN}",
    ),
)
_SIGNS = ("?", "://", "gAAAA", "tokens/", "okie", "uthorization", "x-", "X-")


def without_secrets(text: str) -> str:
    """The text without what looks like a secret."""
    if any(sign in text for sign in _SIGNS):
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
    return text


def harmless(text: str) -> str:
    """The text with its lines after the first one indented, as those of a traceback are, and without what moves a
    terminal or ends a line for some reader."""
    if text.isprintable():
        return text
    lines = text.split("\n")
    return "\n    ".join(
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line) for line in lines
    )


class Formatter(logging.Formatter):
    """A line, and the traceback below it, without secrets."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The record's moment."""
        return stamp(record.created)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line. A text of somebody else's that is in it can neither begin another one nor move a terminal."""
        record.message = harmless(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return without_secrets(super().format(record))


class Json(logging.Formatter):
    """A line of JSON, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The record: when, who, how bad, what, and a traceback if there is one."""
        found = {
            "time": stamp(record.created),
            "pid": record.process,
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            found["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(found)


class Datagrams(logging.Handler):
    """Hands records to a daemon of this machine. It never waits for one: what the daemon does not take at once goes to
    standard error, which is a file below ``log``."""

    def __init__(self, place: Path, name: str) -> None:
        super().__init__()
        self._place, self._name = place, name
        self._instead = logging.StreamHandler()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """For the file, too."""
        super().setFormatter(fmt)
        self._instead.setFormatter(fmt)

    def emit(self, record: logging.LogRecord) -> None:
        """One record, one datagram."""
        try:
            self._socket.sendto(self.message(record.levelno, self.format(record)), str(self._place))
        except OSError:
            self._instead.emit(record)
        except Exception:
            self.handleError(record)

    def message(self, level: int, text: str) -> bytes:
        """As the daemon wants it."""
        raise NotImplementedError


def _severity(level: int) -> int:
    """Syslog's number of a level."""
    return next(number for least, number in ((50, 2), (40, 3), (30, 4), (20, 6), (0, 7)) if level >= least)


class Syslog(Datagrams):
    """As ``syslog(3)`` of the C library sends it, with the facility ``daemon``."""

    def message(self, level: int, text: str) -> bytes:
        """Priority, time of this machine, who, and the text."""
        now = time.strftime("%b %e %H:%M:%S")
        return f"<{3 * 8 + _severity(level)}>{now} {self._name}[{os.getpid()}]: {text[:_MOST_LETTERS]}".encode()


class Journal(Datagrams):
    """As systemd's journal takes it, in fields."""

    def message(self, level: int, text: str) -> bytes:
        """The text may have several lines, so it comes with its length."""
        data = text[:_MOST_LETTERS].encode()
        head = f"PRIORITY={_severity(level)}\nSYSLOG_IDENTIFIER={self._name}\nMESSAGE\n".encode()
        return head + struct.pack("<Q", len(data)) + data + b"\n"


_MOST_LETTERS = 8000
PLACES: dict[str, tuple[type[Datagrams], Path]] = {
    "syslog": (Syslog, Path("/dev/log")),
    "journal": (Journal, Path("/run/systemd/journal/socket")),
}


def check(settings: Settings) -> None:
    """Refuse to log to a daemon that is not there. Raises CliError."""
    place = PLACES[settings.log_to][1] if settings.log_to in PLACES else None
    if place is not None and not place.is_socket():
        raise CliError(f"log_to = {settings.log_to}, but nothing listens at {place} here; use log_to = file")


def configure(level: str, *, form: str = "text", to: str = "file", name: str = "") -> None:
    """Log to standard error, or to syslog or the journal as ``cumulet-<name>``: our own from `level` up, libraries from
    INFO or, if they are talkative, WARNING up. `form`: text or json."""
    handler: logging.Handler = logging.StreamHandler()
    if to in PLACES:
        kind, place = PLACES[to]
        handler = kind(place, f"cumulet-{name}")
    handler.setFormatter(Json() if form == "json" else Formatter(_FORM if to == "file" else _SHORT))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    logging.getLogger("cumulet").setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # uvicorn gives its child loggers no level of their own unless it is asked to; one line says why a server failed.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, root.level))
