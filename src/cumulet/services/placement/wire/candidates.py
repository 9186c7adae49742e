"""Allocation candidates on the wire: the groups of the query, and the answer. Raises 400 with placement's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from cumulet.http import bodies
from cumulet.http.bodies import Record, since, until
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest
from cumulet.http.versions import Version
from cumulet.services.placement.model.filters import Filters, Request
from cumulet.services.placement.model.search import Found, Summary
from cumulet.services.placement.wire import queries, words
from cumulet.services.placement.wire.queries import BAD_VALUE, INVALID

_FIXED = {"resources": (1, 10), "limit": (1, 16), "required": (1, 17), "member_of": (1, 21)}
_WIDE = {"limit": (1, 16), "group_policy": (1, 25), "root_required": (1, 35), "same_subtree": (1, 36)}
_NUMBERED = re.compile(r"(resources|required|member_of|in_tree)([1-9][0-9]*)?")
_NAMED = re.compile(r"(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?")
_MISSING = "placement.query.missing_value"


def parsed(query: Query, version: Version) -> Request:
    """The request that the query describes."""
    queries.refuse_others(query, lambda name: _known(name, version), regexes=_regexes(version))
    if "resources" not in query and version < (1, 25):
        raise BadRequest(f"{INVALID}'resources' is a required property")
    groups = {suffix: queries.group(query, suffix, version) for suffix in _suffixes(query, version)}
    policy = query.get("group_policy", [None])[0]
    if policy not in (None, "none", "isolate"):
        raise BadRequest(f"{INVALID}'{policy}' is not one of ['none', 'isolate']")
    request = Request(groups, limit=_limit(query), isolate=policy == "isolate", subtrees=_subtrees(query))
    if "root_required" in query:
        request.root_traits, request.without_root_traits = _root_traits(query["root_required"])
    if version >= (1, 36):
        _check_subtrees(request)
    else:
        _check_orphans(groups)
    if version >= (1, 22):
        _check_conflicts(groups)
    if policy is None and sum(1 for suffix in groups if suffix) > 1:
        raise BadRequest(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )
    return request


def _known(name: str, version: Version) -> bool:
    if version < (1, 25):
        return name in _FIXED and version >= _FIXED[name]
    if name in _WIDE:
        return version >= _WIDE[name]
    match = _pattern(version).fullmatch(name)
    return match is not None and (match[1] != "in_tree" or version >= (1, 31))


def _regexes(version: Version) -> str:
    """The forms that names of the query may have, as the schema has them; empty before there were groups."""
    if version < (1, 25):
        return ""
    suffix = "[a-zA-Z0-9_-]{1,64}" if version >= (1, 33) else "[1-9][0-9]*"
    nouns = [*(["in_tree"] if version >= (1, 31) else []), "member_of", "required", "resources"]
    return ", ".join(f"'^{noun}({suffix})?$'" for noun in nouns)


def _pattern(version: Version) -> re.Pattern[str]:
    return _NAMED if version >= (1, 33) else _NUMBERED


def _suffixes(query: Query, version: Version) -> list[str]:
    found: dict[str, None] = {}
    for name in query:
        match = None if name in _WIDE else _pattern(version).fullmatch(name)
        if match is not None:
            found[match[2] or ""] = None
    return list(found)


def _limit(query: Query) -> int | None:
    if "limit" not in query:
        return None
    text = query["limit"][0]
    if not re.fullmatch("[1-9][0-9]{0,17}", text, re.ASCII):
        raise words.query("limit", text, f"'{text}' does not match '^[1-9][0-9]*$'")
    return int(text)


def _root_traits(values: Sequence[str]) -> tuple[set[str], set[str]]:
    if len(values) > 1:
        raise BadRequest(
            "Query parameter 'root_required' may be specified only once.", code="placement.query.duplicate_key"
        )
    required, forbidden = queries.traits(values[0], forbidding=True)
    if both := required & forbidden:
        raise BadRequest(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(sorted(both))}",
            code=BAD_VALUE,
        )
    return required, forbidden


def _subtrees(query: Query) -> list[set[str]]:
    found = [{part.strip() for part in text.split(",")} for text in query.get("same_subtree", [])]
    if any("" in suffixes for suffixes in found):
        raise BadRequest("Empty string (unsuffixed group) can not be specified in `same_subtree` ", code=BAD_VALUE)
    return found


def _check_subtrees(request: Request) -> None:
    without = [suffix for suffix, group in request.groups.items() if not group.resources]
    if len(without) == len(request.groups):
        raise BadRequest("There must be at least one resources or resources[$S] parameter.", code=_MISSING)
    named: set[str] = set().union(*request.subtrees)
    bad = [suffix for suffix in without if suffix not in named]
    if bad:
        raise BadRequest(
            "Resourceless suffixed group request should be specified in `same_subtree` query param: "
            f"bad group(s) - {bad}.",
            code=BAD_VALUE,
        )
    bad = sorted(named - set(request.groups))
    if bad:
        raise BadRequest(
            f"Real suffixes should be specified in `same_subtree`: {bad} not found in {list(request.groups)}.",
            code=BAD_VALUE,
        )


def _check_orphans(groups: dict[str, Filters]) -> None:
    without = {suffix: group for suffix, group in groups.items() if not group.resources}
    orphans = [f"required{suffix}" for suffix, group in without.items() if group.any_traits]
    if orphans:
        raise BadRequest(
            "All traits parameters must be associated with resources.  Found the following orphaned traits keys: "
            + ", ".join(orphans)
        )
    orphans = [f"member_of{suffix}" for suffix, group in without.items() if group.member_of or group.outside]
    if orphans:
        raise BadRequest(
            "All member_of parameters must be associated with resources. Found the following orphaned member_of keys: "
            + ", ".join(orphans)
        )
    if without:
        raise BadRequest("All request groups must specify resources.")
    if not groups:
        raise BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")


def _check_conflicts(groups: dict[str, Filters]) -> None:
    conflicts = [
        f"required{suffix}: ({', '.join(sorted(choice))})"
        for suffix, group in groups.items()
        for choice in group.any_traits
        if choice <= group.without_traits
    ]
    if conflicts:
        raise BadRequest(
            "Conflicting required and forbidden traits found in the following traits keys: "
            + ", ".join(sorted(conflicts))
        )


def shown(found: list[Found], summaries: dict[str, Summary], asked: list[str], version: Version) -> bytes:
    """The answer's JSON, encoded here, on the request's thread: it may be half a megabyte."""
    return msgspec.json.encode(
        {
            "allocation_requests": [_request(one, version) for one in found],
            "provider_summaries": {uuid: _summary(one, asked, version) for uuid, one in summaries.items()},
        }
    )


def _request(found: Found, version: Version) -> dict[str, Any]:
    if version < (1, 12):
        listed = [{"resource_provider": {"uuid": uuid}, "resources": taken} for uuid, taken in found.taken.items()]
        return {"allocations": listed}
    body: dict[str, Any] = {"allocations": {uuid: {"resources": taken} for uuid, taken in found.taken.items()}}
    if version >= (1, 34):
        body["mappings"] = found.mappings
    return body


def _summary(summary: Summary, asked: list[str], version: Version) -> dict[str, Any]:
    resources = summary.resources
    if version < (1, 27):
        resources = {name: room for name, room in resources.items() if name in asked}
    body: dict[str, Any] = {"resources": resources}
    if version >= (1, 17):
        body["traits"] = summary.traits
    if version >= (1, 29):
        body["parent_provider_uuid"], body["root_provider_uuid"] = summary.parent, summary.root
    return body


_LISTED_ALLOCATION = Record("AllocationInList", {"resource_provider": {"uuid": str}, "resources": {str: int}})
ALLOCATION_REQUEST = Record(
    "AllocationRequest",
    {
        "allocations": (until("1.11", [_LISTED_ALLOCATION]), since("1.12", {str: {"resources": {str: int}}})),
        "mappings": since("1.34", {str: [str]}),
    },
)
PROVIDER_SUMMARY = Record(
    "ProviderSummary",
    {
        "resources": {str: {"capacity": int, "used": int}},
        "traits": since("1.17", [str]),
        "parent_provider_uuid": since("1.29", str | None),
        "root_provider_uuid": since("1.29", str),
    },
)
CANDIDATES = Record(
    "AllocationCandidates",
    {"allocation_requests": [ALLOCATION_REQUEST], "provider_summaries": {str: PROVIDER_SUMMARY}},
)
PARAMETERS = bodies.Query(
    {
        "resources": str,
        "limit": since("1.16", int),
        "required": since("1.17", [str]),
        "member_of": since("1.21", [str]),
        "group_policy": since("1.25", Literal["none", "isolate"]),
        "in_tree": since("1.31", str),
        "root_required": since("1.35", str),
        "same_subtree": since("1.36", [str]),
    },
    others=str,
)
"""Since 1.25 ``resources``, ``required``, ``member_of`` and ``in_tree`` may end in the name of a group."""
