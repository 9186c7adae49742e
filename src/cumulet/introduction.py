"""What a service says of itself before it is loaded, and who the services are.

Each folder in ``cumulet.services.SERVICES`` has an `Introduction` under the name ``INTRODUCTION`` in its
``__init__``. The command line reads it at every start, so nothing here, and nothing in such an ``__init__``, imports
more than it needs to say that. What a service is beyond it is found by name in its folder: ``assembly.assemble`` makes
its part of a process (`cumulet.process`), ``api.load`` gives its operations.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple


class Introduction(NamedTuple):
    """A service. `type`: its official service type, which is also the name of its port; `port` OpenStack's own for it.

    `project`: the name under which OpenStack's clients know it, and which the catalog shows; one without is no API of
    OpenStack's: it is in no catalog and has no rules. `version_path` stands at the end of its URL in the catalog.
    `user`: the user that it has in the project of services, if any. `more_ports`: further names and ports at which it
    is served. `prefix`: the path below which it is on a port that all share, `public_prefix` the one on a host that has
    all of them behind a proxy (empty: the same); without `prefix` it is on its own port always. `local`: it listens on
    loopback whatever the operator says. `probe`: a path that answers when it works. `gives_tokens`: callers of all
    services are known by it. `request_id_header`: see `cumulet.http.Service`. `options`: a NamedTuple of those that are
    its own, each annotated with what it is and what it may be (`Between`, `OneOf`, `Pattern`); its section of the
    options' file has the name of the type. `module`: its folder, filled in when it is read.
    """

    type: str
    port: int
    project: str = ""
    version_path: str = ""
    user: str = ""
    more_ports: Mapping[str, int] = MappingProxyType({})
    prefix: str = ""
    public_prefix: str = ""
    local: bool = False
    probe: str = "/"
    gives_tokens: bool = False
    request_id_header: str = ""
    options: Any = None
    module: str = ""

    @property
    def ports(self) -> dict[str, int]:
        """Name → standard port of all places at which it is served."""
        return {self.type: self.port, **self.more_ports}

    def found(self, part: str) -> Any:
        """The module `part` of its folder, imported now."""
        return importlib.import_module(f"{self.module}.{part}")


class Between(NamedTuple):
    """A number from `low` to `high`; `simulated` is the lowest where hosts are simulated, if that is another."""

    low: int
    high: int
    simulated: int | None = None

    def refusal(self, name: str, value: Any, simulated: bool) -> str | None:
        """Why `value` cannot be; None when it can."""
        low = self.low if self.simulated is None or not simulated else self.simulated
        return None if low <= value <= self.high else f"{name} must be between {low} and {self.high}, not {value}"


class OneOf(NamedTuple):
    """One of two or more words."""

    words: tuple[str, ...]

    def refusal(self, name: str, value: Any, simulated: bool) -> str | None:
        """Why `value` cannot be; None when it can."""
        if value in self.words:
            return None
        return f"{name} must be {', '.join(self.words[:-1])} or {self.words[-1]}, not {value!r}"


class Expression(NamedTuple):
    """A regular expression of RE2's, or nothing."""

    def refusal(self, name: str, value: Any, simulated: bool) -> str | None:
        """Why `value` cannot be; None when it can."""
        if not value:
            return None
        from cumulet import patterns  # imported here: the command line has no other need of RE2

        try:
            patterns.form(value)
        except patterns.Refused as error:
            return f"{name} is no regular expression that can be used: {error}"
        return None


class ClashError(ValueError):
    """Two services want the same type, port, path or option."""


class _Known(NamedTuple):
    every: tuple[Introduction, ...]
    by_port: Mapping[str, Introduction]
    ports: Mapping[str, int]


def introductions() -> tuple[Introduction, ...]:
    """All services, in the order of the list, which is that of their ports behind ``port_base``. Raises ClashError."""
    return _known().every


def introduced(name: str) -> Introduction:
    """The service that has the port of that name. Raises KeyError."""
    return _known().by_port[name]


def standard_ports() -> Mapping[str, int]:
    """Name → OpenStack's own port, of every place at which a service is served, in the order of the list."""
    return _known().ports


def _known() -> _Known:
    from cumulet import services

    return _read(services.SERVICES)


@lru_cache(maxsize=4)
def _read(modules: tuple[str, ...]) -> _Known:
    every = tuple(importlib.import_module(each).INTRODUCTION._replace(module=each) for each in modules)
    for what, values in (
        ("name", [name for each in every for name in each.ports]),
        ("port", [port for each in every for port in each.ports.values()]),
        ("path", [each.prefix for each in every if each.prefix]),
        ("option", [name for each in every if each.options for name in each.options._fields]),
    ):
        if twice := {str(value) for value in values if values.count(value) > 1}:
            raise ClashError(f"two services have the same {what}: {min(twice)}")
    by_port = {name: each for each in every for name in each.ports}
    return _Known(every, by_port, {name: port for each in every for name, port in each.ports.items()})
