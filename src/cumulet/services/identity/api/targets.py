"""What policy looks at: the row an operation is about, as Keystone's flat ``target.…`` keys.

A row that is not there yields an empty target, so that who may not see it gets 403 and who may gets 404. A key is
never None: `domain_id` of a caller without one would match it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.auth.caller import DEFAULT_DOMAIN
from cumulet.http import Call
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import lookups

Target = dict[str, Any]


def target(noun: str, row: Row[Any] | None) -> Target:
    """The target of `row`, a user, group, project, domain or role."""
    if row is None:
        return {}
    values: Target = {f"target.{noun}.id": row.id}
    if noun == "role":
        values.update({"target.role.domain_id": row.domain_id or None, "target.role.name": row.name})
    elif noun == "project":
        if not row.is_domain:  # which is in no domain: who manages it does so as a domain
            values["target.project.domain_id"] = row.domain_id
    elif noun in ("user", "group"):
        values[f"target.{noun}.domain_id"] = row.domain_id
    return values


def checked(call: Call, rule: str, noun: str, identifier: str, *, first: bool = False) -> Row[Any]:
    """The row, when the caller passes `rule` on it and on the ids of the path. Raises 403, 404, and 400 for a body
    that would change the id. One query. `first`: say 404 even to who may not know, as Keystone does for some nouns."""
    row = lookups.find(call.tx, noun, identifier)
    if row is None and first:
        raise lookups.missing(noun, identifier)
    call.require(rule, {**call.params, **target(noun, row)})
    if row is None:
        raise lookups.missing(noun, identifier)
    check_id(call, noun, identifier)
    return row


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
