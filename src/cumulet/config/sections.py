"""Options that are a service's own: the names, types and bounds that its introduction declares."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from cumulet.config.errors import ConfigError
from cumulet.introduction import Introduction, introductions


def owners() -> list[Introduction]:
    """The services that have options."""
    return [each for each in introductions() if each.options is not None]


def owner_of() -> dict[str, str]:
    """Option → type of the service whose it is."""
    return {name: each.type for each in owners() for name in _fields(each)}


def kinds() -> dict[str, object]:
    """Option → its type."""
    return {name: typing.get_args(kind)[0] for each in owners() for name, kind in _fields(each).items()}


def documentation() -> dict[str, str]:
    """Option → what it is."""
    return {name: typing.get_args(kind)[1] for each in owners() for name, kind in _fields(each).items()}


def made(values: Mapping[str, object]) -> dict[str, Any]:
    """Type → the options of each service; what `values` has no value for has its default."""
    found = {}
    for each in owners():
        assert each.options is not None
        found[each.type] = each.options(**{name: values[name] for name in _fields(each) if name in values})
    return found


def check(options: Mapping[str, Any], *, simulated: bool) -> None:
    """Refuse values that would only fail later, and less clearly. Raises ConfigError for the first."""
    for name, value, bounds in _bounded(options):
        for bound in bounds:
            if (refusal := bound.refusal(name, value, simulated)) is not None:
                raise ConfigError(refusal)


def _bounded(options: Mapping[str, Any]) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    for each in owners():
        for name, kind in _fields(each).items():
            yield name, getattr(options[each.type], name), typing.get_args(kind)[2:]


def _fields(each: Introduction) -> dict[str, Any]:
    """Option → its annotation: the type, what it is, and what it may be."""
    assert each.options is not None
    return dict(each.options.__annotations__)
