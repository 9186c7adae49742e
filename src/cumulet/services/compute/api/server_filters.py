"""Query of GET /servers: which parameters exist, who may use them, and the filters that they mean."""

from __future__ import annotations

import re
from typing import Any

from cumulet.db import Page
from cumulet.http import Call
from cumulet.http.bodies import Query, since
from cumulet.http.collections import boolean
from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.patterns import Pattern, Refused, compiled
from cumulet.services.compute import states
from cumulet.services.compute.api import queries
from cumulet.services.compute.model import server_list
from cumulet.services.compute.model.server_list import Filters
from cumulet.services.network import door as network

_EQUAL = {
    "flavor": "flavor_id",
    "host": "host",
    "image": "image_id",
    "key_name": "key_name",
    "launch_index": "launch_index",
    "node": "host",
    "power_state": "power_state",
    "progress": "progress",
    "reservation_id": "reservation_id",
    "task_state": "task_state",
    "user_id": "user_id",
    "uuid": "id",
    "vm_state": "vm_state",
    "availability_zone": "availability_zone",
}
_NUMBERS = frozenset({"launch_index", "power_state", "progress"})
_PATTERNS = {
    "name": "name",
    "display_name": "name",
    "description": "description",
    "display_description": "description",
    "hostname": "hostname",
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
}
_FOR_ALL = frozenset(
    {"reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants"}
    | {"limit", "marker", "sort_key", "sort_dir"}
)
_FOR_ALL_SINCE = {
    (2, 5): frozenset({"ip6"}),
    (2, 26): frozenset({"tags", "tags-any", "not-tags", "not-tags-any"}),
    (2, 66): frozenset({"changes-before"}),
    (2, 73): frozenset({"locked"}),
    (2, 83): frozenset(
        {"availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at"}
        | {"power_state", "task_state", "vm_state", "progress", "user_id"}
    ),
}
_OTHERS = frozenset(
    {"deleted", "tenant_id", "project_id", "soft_deleted", "ip6", "config_drive", "created_at", "launched_at"}
    | {"terminated_at", "root_device_name", "kernel_id", "ramdisk_id", "disk_config", "auto_disk_config", "cell_name"}
    | {"locked_by", "block_device_mapping", "services", "metadata", "system_metadata", "security_groups"}
    | {"info_cache", "pci_devices", "fault"}
)
QUERY = Query(
    {
        **dict.fromkeys(sorted(_FOR_ALL.union(_EQUAL, _PATTERNS, _OTHERS)), str),
        **{
            name: since("{}.{}".format(*first), str)
            for first, names in _FOR_ALL_SINCE.items()
            for name in sorted(names - _OTHERS - set(_EQUAL))
        },
        "limit": int,
        "sort_key": [str],
        "sort_dir": [str],
        "status": [str],
    }
)
"""Of GET /servers. Some are for administrators before the version that gives them to everybody."""

_OF_HOSTS = ("host", "node")  # as Nova's `remove_invalid_sort_keys` has it


def page(call: Call) -> Page:
    """Limit, marker and order; newest first unless asked otherwise. Raises 400 and 403."""
    keys, directions = call.query.get("sort_key", []), call.query.get("sort_dir", [])
    sort: list[tuple[str, bool]] = []
    for index, key in enumerate(keys):
        key = "locked_by" if key == "locked" and call.version >= (2, 73) else key
        if key not in server_list.SORT_KEYS:
            raise queries.invalid("sort_key", key, f"'{key}' is not one of {sorted(server_list.SORT_KEYS)}")
        if key in _OF_HOSTS and not call.caller.is_admin:
            raise NotAllowed(f"Only administrators can sort servers by {key}")
        direction = directions[index] if index < len(directions) else directions[0] if directions else "desc"
        sort.append((key, direction == "desc"))
    for direction in directions:
        queries.DIALECT.descends(direction)
    if not any(key == "created_at" for key, _ in sort):
        sort.append(("created_at", directions[0] == "desc" if directions else True))
    return Page(queries.limit_of(call), queries.one(call, "marker"), tuple(sort))


def _usable(call: Call) -> dict[str, str]:
    """The parameters that count: unknown ones are refused from 2.75 on, those of an admin ignored for others."""
    given = {name: values[-1] for name, values in call.query.items()}
    allowed = _FOR_ALL.union(*(names for since, names in _FOR_ALL_SINCE.items() if call.version >= since))
    known = _FOR_ALL.union(_EQUAL, _PATTERNS, _OTHERS, *_FOR_ALL_SINCE.values())
    for name in given:
        if name not in known and call.version >= (2, 75):
            raise BadRequest(
                f"Invalid input for query parameters {name}. Value: {given[name]}. "
                f"Additional properties are not allowed ('{name}' was unexpected)"
            )
    if call.allows("os_compute_api:servers:allow_all_filters"):
        return {name: value for name, value in given.items() if name in known}
    return {name: value for name, value in given.items() if name in allowed}


def filters(call: Call, detailed: bool) -> Filters | None:
    """What the list is narrowed to; None when nothing can match. Raises 400 and 403."""
    given = _usable(call)
    found = Filters(project_id=_project(call, given, detailed), equal={}, patterns={})
    if not _statuses(call, found, given):
        return None
    _times(call, found, given)
    if "deleted" in given and call.caller.is_admin:
        found.deleted = boolean(given["deleted"] or "true") or False
    equal: dict[str, Any] = {}
    for name, column in _EQUAL.items():
        if name in given:
            value: Any = given[name]
            if name in _NUMBERS:
                if not re.fullmatch("[0-9]{1,9}", value):
                    return None
                value = int(value)
            equal[column] = value
    if "config_drive" in given:
        equal["config_drive"] = bool(boolean(given["config_drive"]))
    found.equal = equal
    found.patterns = {column: _pattern(name, given[name]) for name, column in _PATTERNS.items() if given.get(name)}
    _tags(call, found, given)
    _addresses(call, found, given)
    return found


def _pattern(name: str, text: str) -> Pattern:
    """A caller's regular expression. It minds no case, as on the database of most clouds. Raises 400."""
    try:
        return compiled(text, ignore_case=True)
    except Refused as refused:
        raise queries.invalid(name, text, f"{text!r} is not a 'regex': {refused}") from None


def _project(call: Call, given: dict[str, str], detailed: bool) -> str | None:
    """Whose servers: the caller's, a project's that an admin names, or everyone's."""
    everyone = False
    if "all_tenants" in given:
        text = given["all_tenants"]
        value = True if text == "" else boolean(text)
        if value is None:
            raise BadRequest(f"Invalid value '{text}' for all_tenants")
        everyone = value
    named = given.get("project_id") or given.get("tenant_id")
    if everyone or named:
        call.require(f"os_compute_api:servers:{'detail' if detailed else 'index'}:get_all_tenants")
        return named or None
    return call.caller.project_id or ""


def _statuses(call: Call, found: Filters, given: dict[str, str]) -> bool:
    """Take over `status`; whether any server can match."""
    asked = call.query.get("status", []) if "status" in given else []
    known = [status for status in dict.fromkeys(asked) if states.states_of(status)]
    if asked and not known:
        return False
    found.statuses = known
    if [status.upper() for status in known] == ["DELETED"]:
        if not call.caller.is_admin:
            raise NotAllowed("Only administrators may list deleted instances")
        found.deleted = True
    return True


def _times(call: Call, found: Filters, given: dict[str, str]) -> None:
    if "changes-since" in given:
        found.changes_since = queries.time_of(call, "changes-since")
    if "changes-before" in given and call.version >= (2, 66):
        found.changes_before = queries.time_of(call, "changes-before")
    since, before = found.changes_since, found.changes_before
    if since is not None and before is not None and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    if (since is not None or before is not None) and found.deleted is False:
        found.deleted = None


def _tags(call: Call, found: Filters, given: dict[str, str]) -> None:
    def split(name: str) -> list[str]:
        return [tag for tag in given.get(name, "").split(",") if tag] if call.version >= (2, 26) else []

    found.tags, found.tags_any = split("tags"), split("tags-any")
    found.not_tags, found.not_tags_any = split("not-tags"), split("not-tags-any")
    if "locked" in given and call.version >= (2, 73):
        value = boolean(given["locked"])
        if value is None:
            raise BadRequest(f"Invalid value '{given['locked']}' for locked")
        found.locked = value


def _addresses(call: Call, found: Filters, given: dict[str, str]) -> None:
    """`ip` and `ip6` are expressions over addresses: find the servers whose addresses match first."""
    wanted = [(version, _pattern(name, given[name])) for name, version in (("ip", 4), ("ip6", 6)) if given.get(name)]
    if not wanted:
        return
    ids = server_list.ids_of(call.tx, found)
    addresses = network.addresses(call.tx, ids) if ids else {}
    for version, pattern in wanted:
        ids = [
            server_id
            for server_id in ids
            if any(a.version == version and pattern.search(a.ip) for a in addresses.get(server_id, ()))
        ]
    found.ids = ids
