"""What rules of policy are for, out of the operations that they guard. Knows no file and no command line."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cumulet.auth import Rule
from cumulet.auth.policy import references
from cumulet.http.operation import Operation, Service


class Described(Struct, frozen=True):
    """A rule, what it decides in a sentence, and the operations whose rule it is."""

    rule: Rule
    text: str
    operations: tuple[Operation, ...]


def described(service: Service) -> Iterator[Described]:
    """Every rule that `service` declares, once, in the order of their declaration."""
    using: dict[str, list[Operation]] = {}
    for operation in service.operations:
        if operation.rule is not None:
            using.setdefault(operation.rule, []).append(operation)
    rules = {rule.name: rule for rule in service.rules}
    inside: dict[str, list[str]] = {}
    for rule in rules.values():
        for name in references(rule.check):
            inside.setdefault(name, []).append(rule.name)
    for rule in rules.values():
        operations = tuple(using.get(rule.name, ()))
        text = rule.description or _sentence(rule.name, operations, using, inside)
        if not text:
            words = rule.name.removeprefix(f"{service.rule_prefix}:").replace("_", " ").replace(":", ", ")
            text = f"Decides inside other operations on: {words}."
        yield Described(rule, text, operations)


def _sentence(
    name: str, operations: tuple[Operation, ...], using: dict[str, list[Operation]], inside: dict[str, list[str]]
) -> str:
    """What the operations say of the rule; empty when none does."""
    if operations:
        return " ".join(dict.fromkeys(operation.summary for operation in operations))
    if users := inside.get(name):
        return f"A part of {len(users)} other rules, such as {users[0]}."
    outer, _, part = name.rpartition(":")
    while outer:
        if outer in using:
            return f"{using[outer][0].summary} What concerns {part} in it."
        outer, _, more = outer.rpartition(":")
        part = f"{more}:{part}"
    return ""
