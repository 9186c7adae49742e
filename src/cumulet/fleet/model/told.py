"""What nodes say, made harmless before anybody sees it: facts of hosts, sentences, facts of reports.

A node is trusted with its own guests, not with other people's terminals, with the database's limits, or with what
other hosts are told. What cannot be meant is refused; a sentence loses what would move a cursor, and its end.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec

from cumulet.desired import formats, texts
from cumulet.desired.clouds import Seen
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Report
from cumulet.desired.keeping import Kept
from cumulet.desired.kinds import FACTS, FORMATS
from cumulet.desired.shape import Shape

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?")
"""Names of nodes and of hosts."""
ROLES = frozenset({"compute", "network"})
MOST_RESULT = 24 << 20
"""Letters of an answer to a question: a picture of a screen, in base64."""

MOST_NUMBER = 2**53
"""No epoch and no revision is larger."""
MOST_KEPT_BYTES = 16 << 20
"""Of what a node remembers of one thing; of a larger one only that it is there is taken down."""

_BRIDGE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WORD, _SENTENCE, _DETAIL = 64, 1000, 8000
_MOST_SENTENCES, _MOST_BRIDGES = 20, 64
_NUMBER, _RUN = re.compile(r"[0-9]{1,16}"), re.compile(r"[0-9a-f]{0,32}")
_CPU_BYTES, _CPU_DEEP = 65_536, 6


class FactsError(ValueError):
    """What a node says of a host cannot be; a sentence."""


def sentence(text: str, most: int = _SENTENCE) -> str:
    """One line without control characters, of `most` letters at most."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:most])


def lines(text: str) -> str:
    """The same of what may have several lines."""
    return "\n".join(sentence(line, _DETAIL) for line in text[:_DETAIL].splitlines())


def host(facts: HostFacts) -> HostFacts:
    """Facts of a host as they may be kept. Raises FactsError."""
    if not NAME.fullmatch(facts.hostname):
        raise FactsError(f"{sentence(facts.hostname, _WORD)!r} is no host's name")
    bridges = facts.bridge_mappings
    if not ROLES.issuperset(facts.roles) or len(facts.roles) > len(ROLES):
        raise FactsError(f"{facts.hostname} has a role that there is not")
    if len(bridges) > _MOST_BRIDGES or not all(_BRIDGE.fullmatch(bridge) for bridge in bridges):
        raise FactsError(f"{facts.hostname} has a physical network with an invalid name")
    if len(msgspec.json.encode(facts.cpu_info)) > _CPU_BYTES or _depth(facts.cpu_info) > _CPU_DEEP:
        raise FactsError(f"{facts.hostname} says too much of its processor")
    return msgspec.structs.replace(
        facts,
        tunnel_ip=None if facts.tunnel_ip is None else _tunnel(facts),
        hypervisor_type=sentence(facts.hypervisor_type, _WORD),
        virt_type=sentence(facts.virt_type, _WORD),
        version=sentence(facts.version, _WORD),
        problems=[sentence(text) for text in facts.problems[:_MOST_SENTENCES]],
        notes=[sentence(text) for text in facts.notes[:_MOST_SENTENCES]],
    )


def _tunnel(facts: HostFacts) -> str:
    """The address that other hosts send their guests' packets to, in its one spelling."""
    try:
        address = texts.address(facts.tunnel_ip)
    except ValueError:
        raise FactsError(f"{facts.hostname} has no valid address for its tunnels") from None
    if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
        raise FactsError(f"{facts.hostname} cannot be reached at {address}")
    return str(address)


def _depth(value: Any) -> int:
    """How deep objects and lists stand in each other, one more than `_CPU_DEEP` at most."""
    level, deep = [value], 0
    while level and deep <= _CPU_DEEP:
        inner: list[Any] = []
        for each in level:
            inner += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        level, deep = inner, deep + 1
    return deep


def report(told: Report) -> Report:
    """A report as it may be kept and handed on. Raises FactsError for facts that its kind does not have."""
    try:
        facts = msgspec.convert(told.facts, FACTS.get(told.kind, Shape))
    except msgspec.ValidationError as error:
        raise FactsError(f"a report on a {told.kind} has facts that cannot be: {error}") from None
    return msgspec.structs.replace(
        told,
        error=None if told.error is None else sentence(told.error),
        detail=None if told.detail is None else lines(told.detail),
        facts=msgspec.to_builtins(facts),
    )


def seen(text: str) -> Seen | None:
    """What a node says in its request's head that it has seen; None for one that has seen no cloud. Raises
    FactsError."""
    if text == "-":
        return None
    words = text.split(" ")
    try:
        if not 3 <= len(words) <= 4 or not all(_NUMBER.fullmatch(word) for word in words[1:3]):
            raise ValueError("not an id and two numbers")
        found = Seen(cloud_id=texts.uuid(words[0]), epoch=int(words[1]), revision=int(words[2]), run="".join(words[3:]))
    except ValueError as error:
        raise FactsError(f"what this node has seen cannot be: {error}") from None
    if max(found.epoch, found.revision) > MOST_NUMBER or not _RUN.fullmatch(found.run):
        raise FactsError("what this node has seen cannot be: there are no such numbers")
    return found


def kept(thing: Kept) -> Kept:
    """What a node keeps, as it may be written down: of a memory that makes no sense only that the thing is there.
    Raises FactsError for what cannot be on a host."""
    try:
        texts.uuid(thing.ref)
        if thing.cloud_id:
            texts.uuid(thing.cloud_id)
    except ValueError as error:
        raise FactsError(f"what it keeps cannot be: {error}") from None
    if not (0 <= thing.epoch <= MOST_NUMBER and 0 <= thing.revision <= MOST_NUMBER):
        raise FactsError("what it keeps has an epoch or a revision that cannot be")
    item, facts = thing.item, {}
    if item is not None:
        try:
            shape = formats.read(thing.kind, item.format, item.spec)
            right = shape.id == item.ref == thing.ref and item.kind == thing.kind
            if item.format != FORMATS[thing.kind]:
                item = msgspec.structs.replace(item, format=FORMATS[thing.kind], spec=msgspec.to_builtins(shape))
        except (msgspec.ValidationError, ValueError, AttributeError):
            right = False
        if not right or len(msgspec.json.encode(item.spec)) > MOST_KEPT_BYTES:
            item = None
    with suppress(msgspec.ValidationError):
        facts = msgspec.to_builtins(msgspec.convert(thing.facts, FACTS.get(thing.kind, Shape)))
    return msgspec.structs.replace(thing, item=item, facts=facts)
