"""The TCP ports of the services, and who of them stays on this machine."""

from __future__ import annotations

from dataclasses import dataclass

STANDARD_PORTS = {
    "identity": 5000,
    "identity_admin": 35357,
    "image": 9292,
    "compute": 8774,
    "placement": 8778,
    "network": 9696,
    "metadata": 8775,
    "console": 6080,
    "link": 7780,
}

NEVER_OUTSIDE = ("metadata", "link")
"""Services that listen on `LOOPBACK` whatever `listen` says: what passes there is not encrypted."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """TCP ports of the services: OpenStack's own, or `base`, `base`+1, … in the order of STANDARD_PORTS."""

    base: int | None = None

    def of(self, service: str) -> int:
        """The port of a service named as in STANDARD_PORTS."""
        if self.base is None:
            return STANDARD_PORTS[service]
        return self.base + list(STANDARD_PORTS).index(service)

    @property
    def identity(self) -> int:
        return self.of("identity")

    @property
    def identity_admin(self) -> int:
        return self.of("identity_admin")

    @property
    def image(self) -> int:
        return self.of("image")

    @property
    def compute(self) -> int:
        return self.of("compute")

    @property
    def placement(self) -> int:
        return self.of("placement")

    @property
    def network(self) -> int:
        return self.of("network")

    @property
    def metadata(self) -> int:
        return self.of("metadata")

    @property
    def console(self) -> int:
        return self.of("console")

    @property
    def link(self) -> int:
        return self.of("link")
