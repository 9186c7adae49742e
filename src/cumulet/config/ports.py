"""The TCP ports of the services, and which of them stay on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from cumulet.introduction import introduced, standard_ports

LOOPBACK = "127.0.0.1"


def stays_inside(service: str) -> bool:
    """Whether a service listens on `LOOPBACK` whatever `listen` says: what passes there is not encrypted."""
    return introduced(service).local


@dataclass(frozen=True)
class Ports:
    """TCP ports of the services: OpenStack's own, or `base`, `base`+1, … in the order of `standard_ports`. With `one`
    all services that have a path of their own are on the first of them."""

    base: int | None = None
    one: bool = False

    def of(self, service: str) -> int:
        """The port of a service named as in `standard_ports`."""
        names = list(standard_ports())
        if self.one and introduced(service).prefix:
            service = names[0]
        if self.base is None:
            return standard_ports()[service]
        return self.base + names.index(service)

    def listeners(self) -> dict[str, int]:
        """Name → port of those that listen, each port once: under the first name that it has."""
        found: dict[int, str] = {}
        for name in standard_ports():
            found.setdefault(self.of(name), name)
        return {name: port for port, name in found.items()}
