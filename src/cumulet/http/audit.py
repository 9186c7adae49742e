"""The audit log: who did what, from where, on what, and how it ended, as events of CADF (DMTF's DSP0262).

One line of JSON for each request that changes something, each login and each refusal; plain reads are not in it. A
request's body, its query and its tokens never are: an event names the operation as it is declared, ids, and who the
token was for.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cumulet import space
from cumulet.auth import Caller
from cumulet.http.operation import LOGIN, Choice, Operation
from cumulet.problem import Problem

if TYPE_CHECKING:
    from cumulet.http.app import Exchange
    from cumulet.http.call import Call

log = logging.getLogger("cumulet.audit")

EVENT = "http://schemas.dmtf.org/cloud/audit/1.0/event"
MOST_FAILED = 1000
"""Failures of one user a minute, and of all who are unknown, that are written one by one: they cost nothing, and
a disk is finite."""
LEAP_DAYS = 31
"""A day so long after the last one may be a clock that is wrong."""
LOOK_S = 0.2
"""Between two looks at the disk, which shall not be filled up by this."""
_MOST_LETTERS = 255
_MOST_IDS = 100
_READS = ("GET", "HEAD", "OPTIONS")
_ACTIONS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_VERSION = re.compile(r"v\d[\d.]*")
_escaped = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


_SCARCE = "its disk is full but for a rest that is kept for deleting"


class AuditLog:
    """Writes the events of one process: ``<folder>/<day>.jsonl``, kept for `days`. `quiet`: names of operations that
    leave none. `clean` takes secrets out of a text that somebody sent where an id belongs."""

    def __init__(
        self, folder: Path, days: int, *, quiet: frozenset[str] = frozenset(), clean: Callable[[str], str] = str
    ) -> None:
        self.folder, self.days, self._quiet, self._clean = folder, days, quiet, clean
        self._file, self._day, self._torn = -1, "", False
        self._minute, self._failures = 0, Counter[str]()
        self._looked = 0.0
        self.trouble = ""

    def problems(self) -> list[Problem]:
        """That events are lost, since the last one that was written; a disk that has room again takes the next."""
        if not self.trouble or (self.trouble == _SCARCE and not space.is_scarce(self.folder)):
            return []
        advice = f"Make {self.folder} writable; what was done meanwhile is not in it"
        return [Problem("audit-failing", f"the audit log cannot be written: {self.trouble}", advice)]

    def watch(self, exchange: Exchange) -> None:
        """Called for every request when it is over. Never raises."""
        try:
            if self._wanted(exchange) and self._within_bounds(exchange.status, _user(exchange)):
                self._write(event(exchange, self._clean))
        except Exception as error:  # a request is not to fail for its entry
            self._failed(error)

    def _wanted(self, exchange: Exchange) -> bool:
        if exchange.status in (401, 403):
            return True
        operation = exchange.operation
        if operation is None or operation.name in self._quiet:
            return False
        return exchange.scope["method"] not in _READS or _is_login(operation)

    def _within_bounds(self, status: int, user: str) -> bool:
        """Whether this one is written; what was not is said when the minute is over."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            failures, self._minute, self._failures = self._failures, minute, Counter()
            for one, count in failures.items():
                if count > MOST_FAILED:
                    self._write(_more(one, count - MOST_FAILED))
        if 0 < status < 400:
            return True
        self._failures[user] += 1
        return self._failures[user] <= MOST_FAILED

    def _write(self, found: Mapping[str, Any]) -> None:
        day = found["eventTime"][:10]
        now = time.monotonic()
        if self.trouble or now - self._looked >= LOOK_S:
            self._looked = now
            if space.is_scarce(self.folder):
                raise OSError(_SCARCE)
        if day != self._day or self._file < 0:
            self._open(day)
        line = _line(found)
        if self._torn:
            line = b"\n" + line
        written = os.write(self._file, line)
        self._torn = written != len(line) if written else self._torn
        if written != len(line):
            raise OSError(f"{self.folder} took half a line: its disk is full")
        if self.trouble:
            log.warning("the audit log is written again")
            self.trouble = ""

    def _open(self, day: str) -> None:
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file, self._day = os.open(self.folder / f"{day}.jsonl", flags, 0o600), day
        self._end_days(day)

    def _end_days(self, day: str) -> None:
        """Remove the files of days that are over, unless the clock may have leapt: then on the next day."""
        now = datetime.now(UTC)
        oldest, near = ((now - timedelta(days=days)).strftime("%Y-%m-%d") for days in (self.days, LEAP_DAYS))
        files = sorted(self.folder.glob("????-??-??.jsonl"))
        before = [file for file in files if file.stem < day]
        if not before or before[-1].stem < near:
            return
        for file in files:
            if file.stem < oldest:
                file.unlink(missing_ok=True)

    def close(self) -> None:
        """The file is closed; the next event opens it again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _failed(self, error: Exception) -> None:
        """Said once, until it works again."""
        text = (error.strerror or str(error)) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        if not self.trouble:
            log.error("the audit log cannot be written: %s", text, exc_info=not isinstance(error, OSError))
        self.trouble = text
        self.close()


def _line(found: Mapping[str, Any]) -> bytes:
    """One line of printable ASCII: what ends a line for some reader, or moves a terminal, is escaped."""
    try:
        line = msgspec.json.encode(found)  # ten times as fast, and leaves other letters as they are
    except UnicodeEncodeError:  # half of a letter
        line = b"\xff"
    if not line.isascii():
        line = _escaped(found).encode()
    return line.replace(b"\x7f", b"\\u007f") + b"\n"


def event(exchange: Exchange, clean: Callable[[str], str] = str) -> dict[str, Any]:
    """What is written of a request."""
    call, operation, status = exchange.call, exchange.operation, exchange.status
    service, method = exchange.mount.type, exchange.scope["method"]
    caller = exchange.caller or (call.proven if call else None)
    words, params = _target_words(operation.path if operation else "")
    found = _head(_action(method, operation), status)
    found["initiator"] = {
        **_who(caller, call, clean),
        "host": {"address": exchange.client},
        "request_id": exchange.request_id,
        **({"global_request_id": exchange.global_id} if exchange.global_id else {}),
    }
    values = call.params if call else {}
    target: dict[str, Any] = {"typeURI": "/".join(["service", service, *words])}
    ids = [clean(str(values[name]))[:_MOST_LETTERS] for name in params if name in values]
    made = _made(call.made) if call and method == "POST" and status < 300 and call.params.keys() <= set(params) else []
    if made and not _is_login(operation):
        target |= {"id": made[0]} | ({"ids": made} if len(made) > 1 else {})
        if ids:
            target["within"] = ids
    elif not ids and call and (about := [clean(each)[:_MOST_LETTERS] for each in call.about[:_MOST_IDS]]):
        target |= {"id": about[0]} | ({"ids": about} if len(about) > 1 else {})
    elif not ids and caller and _is_login(operation):
        target["id"] = caller.user_id
    else:
        target["id"] = ids[-1] if ids else "unknown"
        if ids[1:]:
            target["within"] = ids[:-1]
    found["target"] = target
    found["observer"] = {"id": f"cumulet/{service}", "typeURI": f"service/{service}"}
    found["requestPath"] = operation.path if operation else ""
    found["operation"] = operation.name if operation else ""
    return found


def _head(action: str, status: int) -> dict[str, Any]:
    return {
        "typeURI": EVENT,
        "eventType": "activity",
        "id": str(uuid.uuid4()),
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "action": action,
        "outcome": "unknown" if status == 0 else "success" if status < 400 else "failure",
        "reason": {"reasonType": "HTTP", "reasonCode": str(status)},
    }


def _user(exchange: Exchange) -> str:
    """Whose failure it is, empty for all who are unknown."""
    return exchange.caller.user_id if exchange.caller is not None else ""


def _more(user: str, count: int) -> dict[str, Any]:
    """The event of a minute in which a user, or those who are unknown, failed too often."""
    found = _head("unknown" if user else "authenticate", 400 if user else 401)
    found["initiator"] = {"id": user or "unknown", "typeURI": "service/security/account/user"}
    found["target"] = {"typeURI": "service", "id": "unknown"}
    found["observer"] = {"id": "cumulet", "typeURI": "service"}
    found["reason"]["policyType"] = f"{count} more failed in a minute and are not listed"
    return found


def _is_login(operation: Operation | None) -> bool:
    return operation is not None and operation.audit == LOGIN


def _action(method: str, operation: Operation | None) -> str:
    """CADF's word, and of an action on a server, say, which."""
    if operation and operation.audit:
        return operation.audit
    if operation and operation.action:
        return f"update/{operation.action}"
    if isinstance(operation, Choice):
        return "update"
    return _ACTIONS.get(method, "read")


def _who(caller: Caller | None, call: Call | None, clean: Callable[[str], str]) -> dict[str, Any]:
    """The initiator: a user with his token's scope, the operator or a node on the link, or nobody known."""
    if caller is None:
        sender = call.sender if call else None
        who = {"id": clean(sender)[:_MOST_LETTERS] if isinstance(sender, str) else "unknown"}
        return who | {"typeURI": "service/security/account"}
    scope = {"project_id": caller.project_id, "domain_id": caller.domain_id, "system_scope": caller.system_scope}
    kind = caller.credentials["token_scope"] if any(scope.values()) else "unscoped"
    credential = {"type": kind, "methods": list(caller.methods), "audit_ids": list(caller.audit_ids)}
    return {
        "id": caller.user_id,
        "typeURI": "service/security/account/user",
        "name": caller.user_name[:_MOST_LETTERS],
        **{name: value for name, value in scope.items() if value},
        "credential": credential,
    }


@lru_cache(maxsize=2048)
def _target_words(path: str) -> tuple[list[str], list[str]]:
    """Of a declared path the words that are no version, and the names in braces."""
    parts = [part for part in path.split("/") if part and not _VERSION.fullmatch(part)]
    return [part for part in parts if part[0] != "{"], [part.strip("{*}") for part in parts if part[0] == "{"]


def _made(body: Any) -> list[str]:
    """The ids of what an answer shows as made: ``{"server": {"id"}}``, ``{"networks": [{"id"}, …]}`` or ``{"id"}``."""
    if body is None:
        return []
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return []
    for rows in (body, *_inner(body)):
        rows = rows if isinstance(rows, list | tuple) else [rows]
        found = [_field(row, "id") or _field(row, "uuid") for row in rows[:_MOST_IDS]]
        if found and all(isinstance(each, str) and each for each in found):
            return [str(each)[:_MOST_LETTERS] for each in found]
    return []


def _inner(body: Any) -> list[Any]:
    if isinstance(body, Mapping):
        return [*body.values()]
    return [getattr(body, name) for name in getattr(body, "__struct_fields__", ())]


def _field(row: Any, name: str) -> Any:
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)
