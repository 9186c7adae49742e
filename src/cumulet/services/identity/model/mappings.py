"""Mappings as rows, and what a mapping must look like before it becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest
from cumulet.patterns import Refused, compiled
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.mapping_rules import EVALUATIONS, VERSIONS
from cumulet.services.identity.tables import MappingRow, mappings

_LONGEST = 64  # characters of an id


def browse(tx: Transaction) -> Sequence[MappingRow]:
    """All mappings. One query."""
    return tx.rows(select_as(MappingRow).order_by(mappings.c.id))


def create(tx: Transaction, mapping_id: str, mapping: Mapping[str, Any]) -> MappingRow:
    """A new mapping of checked rules. Raises 400, 409."""
    check_id(mapping_id)
    taken = lookups.conflict("mapping", f"Duplicate entry found with ID {mapping_id}")
    lookups.insert(tx, mappings, {"id": mapping_id, **mapping}, taken)
    return lookups.get(tx, MappingRow, mapping_id)


def update(tx: Transaction, mapping_id: str, mapping: Mapping[str, Any]) -> MappingRow:
    """Other rules for a mapping. Raises 404."""
    lookups.get(tx, MappingRow, mapping_id)
    tx.update(mappings, mappings.c.id == mapping_id, **mapping)
    return lookups.get(tx, MappingRow, mapping_id)


def delete(tx: Transaction, mapping_id: str) -> None:
    """Delete a mapping; protocols that name it map nobody from now on. Raises 404."""
    lookups.get(tx, MappingRow, mapping_id)
    tx.delete(mappings, mappings.c.id == mapping_id)


def check_id(identifier: str) -> None:
    """Raise 400 for an id that does not fit its column."""
    if not 1 <= len(identifier) <= _LONGEST or "\0" in identifier:
        raise BadRequest(f"Invalid input for field 'id': the id must have 1 to {_LONGEST} characters.")


def checked(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a mapping that has the right shape already. Raises 400 for what a shape cannot say."""
    version = raw.get("schema_version") or "1.0"
    if version not in VERSIONS:
        raise BadRequest(f"Invalid input for field 'schema_version': {version!r} is not one of {list(VERSIONS)}")
    for number, rule in enumerate(raw["rules"]):
        where = f"rules/{number}"
        for local in rule["local"]:
            _check_local(f"{where}/local", local, version)
        for remote in rule["remote"]:
            _check_remote(f"{where}/remote", remote)
    return {"rules": raw["rules"], "schema_version": version}


def _check_local(where: str, local: Mapping[str, Any], version: str) -> None:
    group = local.get("group")
    if group is not None and set(group) not in ({"id"}, {"name", "domain"}):
        raise BadRequest(
            f"Invalid input for field '{where}/group': {group!r} needs either an id, or a name and a domain"
        )
    if version == "1.0" and any("domain" in project for project in local.get("projects", ())):
        raise BadRequest(
            f"Invalid input for field '{where}/projects': Additional properties are not allowed ('domain' was "
            "unexpected)"
        )
    if version != "3.0" and "projects_json" in local:
        raise BadRequest(
            f"Invalid input for field '{where}': Additional properties are not allowed ('projects_json' was unexpected)"
        )


def _check_remote(where: str, remote: Mapping[str, Any]) -> None:
    kinds = [name for name in EVALUATIONS if name in remote]
    if len(kinds) > 1 or (not kinds and "regex" in remote):
        raise BadRequest(f"Invalid input for field '{where}': {remote!r} is not valid under any of the given schemas")
    if not remote.get("regex"):
        return
    for pattern in remote[kinds[0]]:
        try:
            if not isinstance(pattern, str):
                raise Refused("it is no text")
            compiled(pattern)
        except Refused as refused:
            raise BadRequest(
                f"Invalid input for field '{where}/{kinds[0]}': {pattern!r} is not a 'regex': {refused}"
            ) from None
