"""Allocations on the wire: a list of providers until 1.11, since then a mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Since, Wire
from cumulet.http.bodies import Record, optional, since
from cumulet.services.placement.model.allocations import HeldByRow, HeldOnRow
from cumulet.services.placement.tables import ConsumerRow

Amount = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Resources = Annotated[dict[Annotated[str, Meta(pattern=r"^[A-Z0-9_]+\Z", max_length=255)], Amount], Meta(min_length=1)]
Id = Annotated[str, Meta(min_length=1, max_length=255)]
Type = Annotated[str, Meta(pattern=r"^[A-Z0-9_]+\Z", min_length=1, max_length=255)]
Mappings = Annotated[dict[str, Annotated[list[str], Meta(min_length=1)]], Meta(min_length=1)]
"""suffix of a group → providers that meet it; it is checked, not kept"""


class ProviderId(Wire):
    """A provider, named."""

    uuid: str


class ListedAllocation(Wire):
    """What is taken of one provider, in the old form."""

    resource_provider: ProviderId
    resources: Resources


class ListedAllocations(Wire):
    """A consumer's allocations in the old form."""

    allocations: Annotated[list[ListedAllocation], Meta(min_length=1)]
    project_id: Annotated[Id | UnsetType, Since("1.8")] = UNSET
    user_id: Annotated[Id | UnsetType, Since("1.8")] = UNSET


class Taken(Wire):
    """What is taken of one provider. Clients send back the generation that they read; it is not looked at."""

    resources: Resources
    generation: int | UnsetType = UNSET


class Allocations(Wire):
    """A consumer's allocations: provider → what is taken of it."""

    allocations: dict[str, Taken]
    project_id: Id
    user_id: Id
    consumer_generation: Annotated[int | UnsetType | None, Since("1.28")] = UNSET
    consumer_type: Annotated[Type | UnsetType, Since("1.38")] = UNSET
    mappings: Annotated[Mappings | UnsetType, Since("1.34")] = UNSET


def shown_for_consumer(
    rows: Sequence[HeldByRow], consumer: ConsumerRow | None, version: tuple[int, int]
) -> dict[str, Any]:
    """A consumer's allocations as JSON."""
    taken: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = taken.setdefault(row.provider_uuid, {"generation": row.generation, "resources": {}})
        entry["resources"][row.resource_class] = row.used
    body: dict[str, Any] = {"allocations": taken}
    if consumer is not None and version >= (1, 12):
        body |= {"project_id": consumer.project_id, "user_id": consumer.user_id}
        if version >= (1, 28):
            body["consumer_generation"] = consumer.generation
        if version >= (1, 38):
            body["consumer_type"] = consumer.consumer_type or "unknown"
    return body


def shown_on_provider(rows: Sequence[HeldOnRow], generation: int, version: tuple[int, int]) -> dict[str, Any]:
    """The allocations on a provider as JSON, by consumer."""
    taken: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = taken.setdefault(row.consumer_uuid, {"resources": {}})
        entry["resources"][row.resource_class] = row.used
        if version >= (1, 28):
            entry["consumer_generation"] = row.consumer_generation
    return {"allocations": taken, "resource_provider_generation": generation}


OF_CONSUMER = Record(
    "AllocationsOfConsumer",
    {
        "allocations": {str: {"generation": int, "resources": {str: int}}},
        "project_id": optional(since("1.12", str)),
        "user_id": optional(since("1.12", str)),
        "consumer_generation": optional(since("1.28", int)),
        "consumer_type": optional(since("1.38", str)),
    },
)
ON_PROVIDER = Record(
    "AllocationsOnProvider",
    {
        "allocations": {str: {"resources": {str: int}, "consumer_generation": since("1.28", int)}},
        "resource_provider_generation": int,
    },
)
