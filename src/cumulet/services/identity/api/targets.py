"""What policy looks at: the row an operation is about, as Keystone's flat ``target.…`` keys.

A row that is not there yields an empty target, so that who may not see it gets 403 and who may gets 404. A key is
never None: `domain_id` of a caller without one would match it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
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
        values["target.project.domain_id"] = row.id if row.is_domain else row.domain_id
    elif noun in ("user", "group"):
        values[f"target.{noun}.domain_id"] = row.domain_id
    return values


def checked(call: Call, rule: str, noun: str, identifier: str) -> Row[Any]:
    """The row, when the caller passes `rule` on it and on the ids of the path. Raises 403, 404. One query."""
    row = lookups.find(call.tx, noun, identifier)
    call.require(rule, {**call.params, **target(noun, row)})
    if row is None:
        raise lookups.missing(noun, identifier)
    return row


def listing_domain(call: Call, rule: str, key: str = "target.domain_id") -> str | None:
    """Check `rule` for a list; the domain it must be narrowed to, which is that of a caller who has only that."""
    domain_id = call.caller.domain_id
    call.require(rule, {key: domain_id} if domain_id else {})
    return None if call.caller.is_admin else domain_id


def own_domain(call: Call) -> str:
    """The domain that a new resource belongs to when the request names none."""
    return call.caller.domain_id or call.caller.project_domain_id or "default"
