"""Tokens for the cloud's own command line: what furnishes a cloud and needs no user's password for it.

They are known to this process alone, for minutes, and open the few requests that `RULES` names: nothing of identity,
and nothing that a lockout, a second factor or a disabled user could be meant to forbid. Who gets one has shown the
operator's secret on the link, which never leaves the machine. They are nobody's: no user of the database has them.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace

from sqlalchemy import false, select

from cumulet.auth import Caller, Unauthenticated
from cumulet.db import Transaction
from cumulet.db.times import SECOND
from cumulet.services.identity.model import names
from cumulet.services.identity.tables import projects

LIFE_S = 900
PREFIX = "cumulet."
USER = "cumulet"
ROLES = {"admin": ("admin", "manager", "member", "reader"), "demo": ("member", "reader")}
"""Roles in the projects that a first start makes."""
RULES = tuple(
    {"service": service, "method": method, "path": path}
    for method, service, path in (
        ("GET", "compute", "/v2.1/flavors/detail"),
        ("POST", "compute", "/v2.1/flavors"),
        ("GET", "network", "/v2.0/*"),
        ("POST", "network", "/v2.0/networks"),
        ("POST", "network", "/v2.0/subnets"),
        ("POST", "network", "/v2.0/routers"),
        ("PUT", "network", "/v2.0/routers/*/add_router_interface"),
        ("GET", "image", "/v2/images"),
        ("POST", "image", "/v2/images"),
        ("PUT", "image", "/v2/images/*/file"),
    )
)
"""What the first user finds is made by these (`src/cumulet/cli/first_user.py`)."""
_MOST = 64


class CommandLine:
    """The tokens of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[str, Caller] = {}

    def token(self, tx: Transaction, name: str) -> tuple[str, str, int] | None:
        """A token for the project of that name, the project's id, and when the token ends (µs); None when there is no
        such project, or it is disabled. One query."""
        wanted = select(projects.c.id, projects.c.enabled).where(
            projects.c.domain_id == "default", projects.c.is_domain == false()
        )
        row = tx.row(names.best(wanted, projects, name))
        if name not in ROLES or row is None or not row.enabled:
            return None
        token, ends = PREFIX + secrets.token_urlsafe(32), tx.now + LIFE_S * SECOND
        caller = Caller(
            USER,
            USER,
            "default",
            roles=ROLES[name],
            project_id=row.id,
            project_name=name,
            project_domain_id="default",
            expires_at=ends,
            access_rules=RULES,
        )
        with self._lock:
            living = [(known, each) for known, each in self._callers.items() if each.expires_at > tx.now]
            self._callers = dict([*living[-_MOST + 1 :], (token, caller)])
        return token, row.id, ends

    def find(self, tx: Transaction, token: str) -> Caller:
        """Who calls with it. Raises `Unauthenticated`."""
        caller = self._callers.get(token)
        if caller is None or caller.expires_at <= tx.now:
            raise Unauthenticated("The request you have made requires authentication.")
        return replace(caller, credentials={})
