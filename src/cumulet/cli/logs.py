"""What the processes of a cloud write into their logs, and what never gets there.

Secrets are not logged where they are known to be secrets. This is the net below: libraries log requests as they came,
and errors repeat the address that failed, with all that stands in it. Must never raise.
"""

from __future__ import annotations

import logging
import re

from cumulet.cli.moments import stamp

HIDDEN = "[hidden]"
_FORM = "%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"
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


class Formatter(logging.Formatter):
    """A line, and the traceback below it, without secrets."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The record's moment."""
        return stamp(record.created)

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return without_secrets(super().format(record))


def configure(level: str) -> None:
    """Log to standard error: our own from `level` up, libraries from INFO or, if they are talkative, WARNING up."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter(_FORM))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    logging.getLogger("cumulet").setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # uvicorn gives its child loggers no level of their own unless it is asked to; one line says why a server failed.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, root.level))
