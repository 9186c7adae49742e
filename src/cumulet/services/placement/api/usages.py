"""Usages: of a provider, and of a project."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cumulet.http.bodies import Query
from cumulet.http.call import Call, Reply
from cumulet.services.placement.model import allocations, providers
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import queries, words
from cumulet.services.placement.wire import usages as wire
from cumulet.services.placement.wire.freshness import dated

_KIND = re.compile("[A-Z0-9_]+|all|unknown")


@service.get(
    "/resource_providers/{provider}/usages",
    policy="placement:resource_providers:usages",
    response=wire.OF_PROVIDER,
    query=Query({}),
)
def of_provider(call: Call, provider: str) -> Reply:
    """What is allocated on a provider."""
    row = providers.get(call.tx, provider)
    used = allocations.usages(call.tx, [provider])[provider]
    return dated(call, {"resource_provider_generation": row.generation, "usages": used})


@service.get("/usages", since=(1, 9), policy_in_handler="placement:usages", response=wire.OF_PROJECT, query=wire.QUERY)
def of_project(call: Call) -> Reply:
    """What the consumers of a project hold, since 1.38 by consumer type."""
    typed = call.version >= (1, 38)
    queries.refuse_others(call.query, {"project_id", "user_id", *(["consumer_type"] if typed else [])})
    given = {name: values[-1] for name, values in call.query.items()}
    if "project_id" not in given:
        raise words.query("", "", "'project_id' is a required property")
    call.require("placement:usages", {"project_id": given["project_id"]})
    _check_lengths(given)
    kind = given.get("consumer_type")
    if kind is not None and not _KIND.fullmatch(kind):
        raise words.query("consumer_type", kind, f"{kind!r} does not match '^[A-Z0-9_]+$|^all|^unknown$'")
    only = None if kind == "all" else kind
    rows, counts = allocations.project_usages(call.tx, given["project_id"], given.get("user_id"), only)
    if not typed:
        return dated(call, {"usages": _summed(rows)})
    return dated(call, {"usages": _by_type(rows, counts, together=kind == "all")})


def _check_lengths(given: Mapping[str, str]) -> None:
    for name, text in given.items():
        if not 1 <= len(text) <= 255:
            raise words.query(name, text, f"{text!r} is too {'long' if text else 'short'}")


def _summed(rows: Sequence[allocations.UsageRow]) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in rows:
        total[row.resource_class] = total.get(row.resource_class, 0) + int(row.used)
    return total


def _by_type(
    rows: Sequence[allocations.UsageRow], counts: Mapping[str | None, int], *, together: bool
) -> dict[str, dict[str, int]]:
    if together:
        return {"all": {"consumer_count": sum(counts.values()), **_summed(rows)}} if counts else {}
    found = {kind or "unknown": {"consumer_count": count} for kind, count in counts.items()}
    for row in rows:
        found[row.consumer_type or "unknown"][row.resource_class] = int(row.used)
    return found
