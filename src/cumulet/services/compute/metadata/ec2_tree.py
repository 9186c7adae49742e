"""The tree of Amazon's metadata service, as Nova serves it: ``/latest/meta-data/local-ipv4`` and the rest."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from cumulet.services.compute.metadata.facts import Facts

VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
)
_NAME = "_name"


def _ec2_id(prefix: str, uuid: str) -> str:
    """An id of EC2's form for something that has a UUID here; always the same."""
    return f"{prefix}-{zlib.crc32(uuid.encode()):08x}"


def instance_id(facts: Facts) -> str:
    """EC2's id of the server."""
    return f"i-{facts.server.number:08x}"


def meta_data(facts: Facts, version: str = "2009-04-04") -> dict[str, Any]:
    """The branch ``meta-data`` of a version."""
    row, image = facts.server, facts.server.image or {}
    tree: dict[str, Any] = {
        "ami-id": _ec2_id("ami", row.image_id),
        "ami-launch-index": row.launch_index,
        "ami-manifest-path": "FIXME",
        "instance-id": instance_id(facts),
        "hostname": facts.hostname,
        "local-ipv4": facts.ip("fixed"),
        "reservation-id": row.reservation_id,
        "security-groups": list(facts.groups),
    }
    if row.key_name:
        tree["public-keys"] = {"0": {_NAME: f"0={row.key_name}", "openssh-key": facts.public_key}}
    if version >= "2007-01-19":
        tree["local-hostname"] = tree["public-hostname"] = facts.hostname
        tree["public-ipv4"] = facts.ip("floating")
    if version >= "2007-08-29":
        tree["instance-type"] = row.flavor["name"]
    if version >= "2007-12-15":
        tree["block-device-mapping"] = _devices(row.flavor)
        for name, prefix in (("kernel", "aki"), ("ramdisk", "ari")):
            if image.get(name):
                tree[f"{name}-id"] = _ec2_id(prefix, image[name]["id"])
    if version >= "2008-02-01":
        tree["placement"] = {"availability-zone": facts.place.zone}
    if version >= "2008-09-01":
        tree["instance-action"] = "none"
    return tree


def _devices(flavor: dict[str, Any]) -> dict[str, str]:
    devices = {"ami": "vda", "root": "/dev/vda"}
    letters = iter("bc")
    if flavor["ephemeral"]:
        devices["ephemeral0"] = f"/dev/vd{next(letters)}"
    if flavor["swap"]:
        devices["swap"] = f"/dev/vd{next(letters)}"
    return devices


def lookup(facts: Facts, parts: Sequence[str]) -> bytes | None:
    """What stands at a path (its parts after the first slash), or None."""
    if not parts:
        return "\n".join([*VERSIONS, "latest"]).encode()
    version = VERSIONS[-1] if parts[0] == "latest" else parts[0]
    if version not in VERSIONS:
        return None
    user_data = facts.user_data
    if len(parts) == 1:
        return b"meta-data/" if user_data is None else b"meta-data/\nuser-data"
    if parts[1] == "user-data" and len(parts) == 2:
        return user_data
    if parts[1] != "meta-data":
        return None
    return _find(meta_data(facts, version), parts[2:])


def _find(tree: Any, parts: Sequence[str]) -> bytes | None:
    for part in parts:
        if not isinstance(tree, dict) or part not in tree or part == _NAME:
            return None
        tree = tree[part]
    return _text(tree)


def _text(value: Any) -> bytes:
    """A leaf's value; a branch's names, in order, branches with a slash."""
    if isinstance(value, list):
        return "\n".join(map(str, value)).encode()
    if not isinstance(value, dict):
        return str(value).encode()
    lines = []
    for key in sorted(value):
        inner = value[key]
        if key == _NAME:
            continue
        if isinstance(inner, dict):
            lines.append(str(inner[_NAME]) if _NAME in inner else f"{key}/")
        else:
            lines.append(key)
    return "\n".join(lines).encode()
