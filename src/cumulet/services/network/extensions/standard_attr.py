"""What every resource has: a description, times, a revision, and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.services.network.check_strings import MEMBER, READER, rules
from cumulet.services.network.extension import EVERY, Body, Extension
from cumulet.services.network.model import tags as model
from cumulet.services.network.model.standard_attributes import seconds
from cumulet.services.network.tables import tags
from cumulet.services.network.wire.attributes import READ_ONLY, Attribute, integer, items, text

TAGGED = ("network", "subnet", "port", "router", "floatingip", "security_group")
"""Resources that can be tagged; rules of security groups show that they have no tags."""


def show_times(_tx: Transaction, _rows: Sequence[Any], bodies: list[Body]) -> None:
    """Times as ISO 8601 has them."""
    for body in bodies:
        body["created_at"], body["updated_at"] = seconds(body["created_at"]), seconds(body["updated_at"])


def show_tags(tx: Transaction, _rows: Sequence[Any], bodies: list[Body]) -> None:
    """The tags of resources, unless somebody has shown them with those of others already. One query."""
    if bodies and "tags" not in bodies[0]:
        found = model.of(tx, [body["id"] for body in bodies])
        for body in bodies:
            body["tags"] = found.get(body["id"]) or []


def _tag_rules(verb: str) -> str:
    return " ".join(f"{verb}_{noun}:tags" for noun in TAGGED)


EXTENSIONS = (
    Extension(
        "standard-attr-description",
        "standard-attr-description",
        "Extension to add descriptions to standard attributes",
        adds={
            EVERY: {"description": Attribute(text(), "")},
            "security_group_rule": {"description": Attribute(text(), "", put=False)},
        },
    ),
    Extension(
        "standard-attr-revisions",
        "Resource revision numbers",
        "Display the revision number of resources.",
        adds={EVERY: {"revision_number": Attribute(integer(), post=False, put=False)}},
    ),
    Extension(
        "standard-attr-tag",
        "Tag support for resources with standard attributes",
        "Enables to set tag on resources.",
        tables=(tags,),
        adds={EVERY: {"tags": Attribute(items(text(255)), post=False, put=False)}},
        rules=[
            *(rule for verb in ("create", "update", "delete") for rule in rules(_tag_rules(verb), MEMBER)),
            *rules(_tag_rules("get"), f"{READER} or rule:shared or rule:external"),
        ],
        erased={EVERY: model.forget},
        shows={EVERY: show_tags},
    ),
    Extension(
        "standard-attr-timestamp",
        "Resource timestamps",
        "Adds created_at and updated_at fields to all resources.",
        adds={EVERY: dict.fromkeys(("created_at", "updated_at"), READ_ONLY)},
        shows={EVERY: show_times},
    ),
)
