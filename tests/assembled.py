"""A whole cloud in this process: every service assembled as the controller does, asked without a socket.

With `keeps_nothing` each request's writes are rolled back after its handler ran, so that thousands of requests meet
the same cloud and none of them spoils another's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cumulet.auth.policy_file import NAME as POLICY
from cumulet.cli import state_folder
from cumulet.cli.controller import Controller, assemble, loaders
from cumulet.config import Settings
from cumulet.db import Transaction
from cumulet.http import Service
from cumulet.http.mount import Mount

PORT_BASE = 30000
KEYSTONES_LETTER = '"cloud_admin": "role:admin"'
"""The line of policy.yaml with which the role admin on anything is the whole cloud's (``decisions/0028``)."""


def mounted(controller: Controller, name: str) -> Mount:
    """Where a service is asked."""
    found = controller.app.mounts[controller.settings.ports.of(name)]
    assert isinstance(found, Mount)
    return found


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Assembled:
    """The cloud. `ask` is one request."""

    def __init__(self, state: Path) -> None:
        state_folder.create(state)
        state_folder.furnish(state, None, node_too=True)
        self.settings = Settings.resolve(state, {"simulated": 1, "port_base": PORT_BASE}, {})
        self.settings.save()
        self.controller: Controller = assemble(self.settings)
        self.runner = asyncio.Runner()

    def close(self) -> None:
        self.runner.close()
        self.controller.db.close()

    @cached_property
    def services(self) -> dict[str, Service]:
        """OpenStack's services by type."""
        return {name: load() for name, load in loaders().items()}

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        *,
        token: str = "",
        body: bytes | Any = b"",
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask `service`. `path` is as a client would write it, already escaped; `body` is bytes or becomes JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"host": f"127.0.0.1:{self.settings.ports.of(service)}", "accept": "application/json", **(headers or {})}
        if token:
            sent["x-auth-token"] = token
        if raw:
            sent.setdefault("content-type", "application/json")
            sent["content-length"] = str(len(raw))
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
        return self.runner.run(self._ask(service, method, path, pairs, raw, query))

    async def _ask(
        self, service: str, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes, query: str
    ) -> Answer:
        from urllib.parse import unquote

        messages: list[Any] = []
        pieces = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if not pieces:
                await asyncio.Event().wait()  # the client stays until it has its answer
            return pieces.pop()

        async def send(message: Any) -> None:
            messages.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": quote(path, safe="/%:@!$&'()*+,;=-._~").encode(),
            "query_string": query.encode("latin-1", "replace"),
            "headers": headers,
            "server": ("127.0.0.1", self.settings.ports.of(service)),
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
        await self.controller.app(scope, receive, send)
        start = messages[0]
        found = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        answer = b"".join(message.get("body", b"") for message in messages[1:])
        return Answer(start["status"], found, answer, start["headers"])

    # ---- tokens

    def secret(self, name: str) -> str:
        return (self.settings.secrets_dir / f"{name}_password").read_text().strip()

    def log_in(self, user: str, password: str, scope: Any = None, *, domain: str = "default") -> str:
        """A token; `scope` is Keystone's, None for an unscoped one."""
        named = {"name": user, "domain": {"id": domain}, "password": password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": named}}}
        auth["scope"] = scope or "unscoped"
        answer = self.ask("identity", "POST", "/v3/auth/tokens", body={"auth": auth})
        assert answer.status == 201, answer.body
        return answer.headers["x-subject-token"]

    @cached_property
    def admin(self) -> str:
        """A token of the first admin for the project admin."""
        return self.log_in("admin", self.secret("admin"), {"project": {"name": "admin", "domain": {"id": "default"}}})

    @cached_property
    def member(self) -> str:
        """A token of the first user for the project demo."""
        return self.log_in("demo", self.secret("demo"), {"project": {"name": "demo", "domain": {"id": "default"}}})

    # ---- rules

    @contextmanager
    def under(self, policy: str) -> Iterator[None]:
        """Meanwhile `policy` is what the operator's policy.yaml says; nothing for the defaults."""
        file = self.settings.state / POLICY
        before = file.read_text() if file.exists() else ""
        self._govern(policy)
        try:
            yield
        finally:
            self._govern(before)

    def _govern(self, policy: str) -> None:
        """Written aside and put in place, so that the controller's look at the file's inode sees a change."""
        file = self.settings.state / POLICY
        draft = file.with_suffix(".new")
        draft.write_text(policy)
        draft.replace(file)
        self.controller.policies.refresh()

    # ---- nothing is kept

    @contextmanager
    def keeps_nothing(self) -> Iterator[None]:
        """Meanwhile every transaction ends with its writes undone, whatever the handler answers."""
        db = self.controller.db
        opener = db.transaction

        @contextmanager
        def undone() -> Iterator[Transaction]:
            try:
                with opener() as tx:
                    yield tx
                    raise _UndoneError
            except _UndoneError:
                pass

        db.transaction = undone  # type: ignore[method-assign]
        try:
            yield
        finally:
            db.transaction = opener  # type: ignore[method-assign]


class _UndoneError(Exception):
    """Rolls back and goes no further."""
