"""Operations of the link."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from cumulet.fleet.api import (  # noqa: F401
        adoption,
        explain,
        keeping,
        link,
        operator,
        simulation,
        snapshots,
        status,
        tokens,
    )
    from cumulet.fleet.service import service

    return service
