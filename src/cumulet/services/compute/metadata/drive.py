"""Config drives: the metadata trees as files. Contents cross the link as text; what is none, as base64."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from cumulet.db import Transaction
from cumulet.desired.guest import BINARY
from cumulet.services.compute.metadata import ec2_tree, openstack_tree
from cumulet.services.compute.metadata.facts import Facts, Place, gather
from cumulet.services.compute.model.servers import Server


def contents(tx: Transaction, rows: Sequence[Server], place: Place) -> dict[str, dict[str, str]]:
    """By server id: path on the drive → content."""
    return {id: _files(facts) for id, facts in gather(tx, rows, place).items()} if rows else {}


def _files(facts: Facts) -> dict[str, str]:
    found: dict[str, bytes] = {}
    for version, label in ((openstack_tree.VICTORIA, "latest"), *((v, v) for v in openstack_tree.VERSIONS)):
        for name in openstack_tree.files(facts, version):
            body = openstack_tree.file(facts, name, version)
            if body is not None and name != "password":
                found[f"openstack/{label}/{name}"] = body
    for index in range(len(facts.server.personality)):
        body = openstack_tree.content(facts, f"{index:04d}")
        if body is not None:
            found[f"openstack/content/{index:04d}"] = body
    for label in (ec2_tree.VERSIONS[-1], "latest"):
        found[f"ec2/{label}/meta-data.json"] = msgspec.json.encode(_plain(ec2_tree.meta_data(facts)))
        if facts.user_data is not None:
            found[f"ec2/{label}/user-data"] = facts.user_data
    return {path: _text(body) for path, body in found.items()}


def _plain(tree: Any) -> Any:
    """The EC2 tree as JSON has it: without the names that only listings show."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items() if not key.startswith("_")}
    return tree


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if (text or not body) and not text.startswith(BINARY) and "\x00" not in text:
        return text
    return BINARY + base64.b64encode(body).decode()
