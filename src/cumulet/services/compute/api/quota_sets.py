"""Quotas of projects: show, change, reset; and the class of defaults."""

from __future__ import annotations

from typing import Any

from cumulet.db import Transaction
from cumulet.desired import texts
from cumulet.http import Call, Reply
from cumulet.http.bodies import EMPTY, under
from cumulet.http.collections import boolean
from cumulet.http.faults import BadRequest
from cumulet.http.versions import Version
from cumulet.services.compute.api.server_lookup import PROJECT
from cumulet.services.compute.model import quotas
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import quota_sets as wire
from cumulet.services.identity import door as identity

_RULE = "os_compute_api:os-quota-sets"
_NETWORK = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_USED = ("instances", "cores", "ram")
_MAX = 0x7FFFFFFF


def resources(version: Version) -> list[str]:
    """Names of the resources that there are at a microversion."""
    gone = (*(_NETWORK if version >= (2, 36) else ()), *(_FILES if version >= (2, 57) else ()))
    return [name for name in quotas.DEFAULTS if name not in gone]


def _shown(call: Call, limits: dict[str, int], project_id: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {name: limits[name] for name in resources(call.version)}
    return {"quota_set": {"id": project_id} | body if project_id else body}


def used(tx: Transaction, project_id: str) -> dict[str, int]:
    """What a project's servers use, by resource."""
    usage = quotas.usage(tx, project_id)
    return {"instances": usage.instances, "cores": usage.cores, "ram": usage.ram}


def _known(call: Call, project_id: str) -> None:
    if not identity.project_exists(call.tx, project_id):
        raise BadRequest(f"Project ID {project_id} is not a valid project.")


@service.get(
    "/v2.1/os-quota-sets/{project_id}",
    target=PROJECT,
    policy=f"{_RULE}:show",
    response=under("quota_set", wire.QUOTA_SET),
)
def show(call: Call, project_id: str) -> dict[str, Any]:
    """Show a project's quotas."""
    _known(call, project_id)
    return _shown(call, quotas.limits(call.tx, project_id), project_id)


@service.get(
    "/v2.1/os-quota-sets/{project_id}/detail",
    target=PROJECT,
    policy=f"{_RULE}:detail",
    response=under("quota_set", wire.DETAILED_QUOTA_SET),
)
def detail(call: Call, project_id: str) -> dict[str, Any]:
    """Show a project's quotas and what it uses."""
    _known(call, project_id)
    limits, in_use = quotas.limits(call.tx, project_id), used(call.tx, project_id)
    body: dict[str, Any] = {
        name: {"limit": limits[name], "in_use": in_use.get(name, 0), "reserved": 0} for name in resources(call.version)
    }
    return {"quota_set": {"id": project_id} | body}


@service.get(
    "/v2.1/os-quota-sets/{project_id}/defaults", policy=f"{_RULE}:defaults", response=under("quota_set", wire.QUOTA_SET)
)
def defaults(call: Call, project_id: str) -> dict[str, Any]:
    """Show the quotas of a project for which nobody set any."""
    _known(call, project_id)
    return _shown(call, quotas.default_limits(call.tx), project_id)


def _numbers(call: Call, raw: Any, name: str) -> tuple[dict[str, int], bool]:
    """New limits and whether they may be lower than what is used. Raises 400."""
    given = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(given, dict) or len(raw) != 1:
        raise BadRequest(f"{name!r} is a required property")
    force, numbers = False, {}
    for resource, value in given.items():
        if resource in ("tenant_id", "id", "class_name"):
            continue
        if resource == "force":
            force = value is True or bool(boolean(str(value)))
            continue
        if resource not in resources(call.version):
            raise BadRequest(f"Additional properties are not allowed ({resource!r} was unexpected)")
        numbers[resource] = _number(resource, value)
    return numbers, force


def _number(resource: str, value: Any) -> int:
    try:
        number = texts.whole(value)
    except ValueError:
        raise BadRequest(
            f"Invalid input for field/attribute {resource}. Value: {value}. {value!r} is not of type 'integer'"
        ) from None
    if not -1 <= number <= _MAX:
        side = f"less than the minimum of {-1}" if number < -1 else f"greater than the maximum of {_MAX}"
        raise BadRequest(f"Invalid input for field/attribute {resource}. Value: {value}. {number} is {side}")
    return number


@service.put(
    "/v2.1/os-quota-sets/{project_id}",
    request=dict,
    target=PROJECT,
    policy=f"{_RULE}:update",
    response=under("quota_set", wire.CHANGED_QUOTA_SET),
)
def update(call: Call, project_id: str) -> dict[str, Any]:
    """Set a project's quotas."""
    _known(call, project_id)
    numbers, force = _numbers(call, call.body, "quota_set")
    in_use = used(call.tx, project_id)
    for resource, limit in numbers.items():
        if resource in _USED and not force and 0 <= limit < in_use[resource]:
            raise BadRequest(
                f"Quota limit {limit} for {resource} must be greater than or equal to already used and reserved "
                f"{in_use[resource]}."
            )
    quotas.set_limits(call.tx, project_id, numbers)
    return _shown(call, quotas.limits(call.tx, project_id))


@service.delete("/v2.1/os-quota-sets/{project_id}", target=PROJECT, policy=f"{_RULE}:delete", response=EMPTY)
def delete(call: Call, project_id: str) -> Reply:
    """Go back to the default quotas."""
    _known(call, project_id)
    quotas.reset(call.tx, project_id)
    return Reply(None, 202)


def _class_shown(call: Call) -> dict[str, Any]:
    limits = quotas.default_limits(call.tx)
    hidden = ("server_groups", "server_group_members") if call.version < (2, 50) else ()
    return {name: limits[name] for name in resources(call.version) if name not in hidden}


@service.get(
    "/v2.1/os-quota-class-sets/{name}",
    policy="os_compute_api:os-quota-class-sets:show",
    response=under("quota_class_set", wire.QUOTA_CLASS),
)
def show_class(call: Call, name: str) -> dict[str, Any]:
    """Show the default quotas."""
    return {"quota_class_set": {"id": name} | _class_shown(call)}


@service.put(
    "/v2.1/os-quota-class-sets/{name}",
    request=dict,
    policy="os_compute_api:os-quota-class-sets:update",
    response=under("quota_class_set", wire.CHANGED_QUOTA_CLASS),
)
def update_class(call: Call, name: str) -> dict[str, Any]:
    """Set the default quotas."""
    numbers, _ = _numbers(call, call.body, "quota_class_set")
    quotas.set_limits(call.tx, quotas.DEFAULT_CLASS, numbers)
    return {"quota_class_set": _class_shown(call)}
