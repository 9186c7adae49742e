"""What policy looks at: the row an operation is about, as Keystone's flat ``target.…`` keys.

A row that is not there yields an empty target, so that who may not see it gets 403 and who may gets 404. A key is
never None: `domain_id` of a caller without one would match it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, cast

from cumulet.auth.caller import DEFAULT_DOMAIN
from cumulet.db import TypedRow
from cumulet.db.rows import R
from cumulet.http import Call, Target
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import lookups
from cumulet.services.identity.tables import (
    ROOT,
    DomainRow,
    EndpointRow,
    GroupRow,
    PolicyRow,
    ProjectRow,
    RegionRow,
    ServiceRow,
    UserRow,
)


class _Subject(Protocol):
    """What users, groups, projects, domains and roles have."""

    id: str
    name: str
    domain_id: str


def target(noun: str, subject: TypedRow | None) -> dict[str, Any]:
    """The target of a user, group, project, domain or role."""
    if subject is None:
        return {}
    row = cast(_Subject, subject)
    values: dict[str, Any] = {f"target.{noun}.id": row.id}
    if noun == "role":
        values.update({"target.role.domain_id": row.domain_id or None, "target.role.name": row.name})
    elif noun == "project":
        if row.domain_id != ROOT:  # a domain's, which is in no domain: who manages it does so as a domain
            values["target.project.domain_id"] = row.domain_id
    elif noun in ("user", "group"):
        values[f"target.{noun}.domain_id"] = row.domain_id
    return values


class Of(Target, Generic[R]):
    """The row of a noun that the path names, on which the rule is checked, and on the ids of the path. 403 comes before
    404, `first`: after it, as Keystone does for some nouns. A body that would change the id is 400. One query.

    `fresh`: the domain's directory is asked for it before, with who belongs to it (see `directories`).
    """

    def __init__(self, kind: type[R], *, first: bool = False, fresh: Callable[..., None] | None = None) -> None:
        self.kind, self.noun = kind, lookups.NOUNS[kind]
        self.first, self.fresh = first, fresh
        self.params = (f"{self.noun}_id",)

    def ahead(self, call: Call) -> None:
        """See `Target`."""
        if self.fresh is not None:
            self.fresh(call, self.noun)

    def reached(self, call: Call) -> R:
        """See `Target`."""
        identifier = call.params[self.params[0]]
        row = lookups.find(call.tx, self.kind, identifier)
        if row is None and self.first:
            raise lookups.missing(self.noun, identifier)
        rule = call.operation.policy
        assert rule is not None, "what is done to a row is guarded"
        call.require(self.rule_on(rule, row), {**call.params, **target(self.noun, row)})
        if row is None:
            raise lookups.missing(self.noun, identifier)
        check_id(call, self.noun, identifier)
        return row

    def rule_on(self, rule: str, row: R | None) -> str:
        """The rule that guards this row: the operation's, usually."""
        return rule


class By(Target):
    """What a function of the noun's own finds and checks: (call, rule, values of `params`) → row. Raises 403, 404."""

    def __init__(self, params: tuple[str, ...], find: Callable[..., Any]) -> None:
        self.params, self.find = params, find

    def reached(self, call: Call) -> Any:
        """See `Target`."""
        return self.find(call, call.operation.policy, *(call.params[name] for name in self.params))


USER, GROUP, PROJECT, DOMAIN = Of(UserRow), Of(GroupRow), Of(ProjectRow), Of(DomainRow)
REGION, SERVICE, ENDPOINT, POLICY = Of(RegionRow), Of(ServiceRow), Of(EndpointRow), Of(PolicyRow)
KNOWN_GROUP, KNOWN_DOMAIN = Of(GroupRow, first=True), Of(DomainRow, first=True)


class Listing(Target):
    """What a list is narrowed to: the domain that `narrowed` says, or None. Its rule sees that domain under `key`.
    `fresh`: the domain's directory is asked before (see `directories`)."""

    params = ()

    def __init__(self, key: str = "target.domain_id", fresh: Callable[[Call], None] | None = None) -> None:
        self.key, self.fresh = key, fresh

    def ahead(self, call: Call) -> None:
        """See `Target`."""
        if self.fresh is not None:
            self.fresh(call)

    def reached(self, call: Call) -> str | None:
        """See `Target`."""
        rule = call.operation.policy
        assert rule is not None
        return listing_domain(call, rule, self.key)


def check_id(call: Call, noun: str, identifier: str) -> None:
    """Raise 400 when the body names another id than the path."""
    body = call.raw.get(noun) if isinstance(call.raw, dict) else None
    if isinstance(body, dict) and body.get("id") not in (None, identifier):
        raise BadRequest("Cannot change ID")


def listing_domain(call: Call, rule: str, key: str = "target.domain_id") -> str | None:
    """Check `rule` for a list; the domain that it is narrowed to, as `narrowed` says."""
    domain_id = call.caller.domain_id
    call.require(rule, {key: domain_id} if domain_id else {})
    return narrowed(call)


def narrowed(call: Call) -> str | None:
    """The domain that lists are narrowed to: the token's, also for an administrator, but of the first domain, who sees
    the cloud (`decisions/0017`). None: to none."""
    domain_id = call.caller.domain_id
    return None if domain_id == DEFAULT_DOMAIN and call.caller.is_admin else domain_id


def own_domain(call: Call) -> str:
    """The domain that a new resource belongs to when the request names none."""
    return call.caller.domain_id or call.caller.project_domain_id or "default"
