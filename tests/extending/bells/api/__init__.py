"""Operations of bells, one file per noun."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from tests.extending.bells.api import bells, versions  # noqa: F401
    from tests.extending.bells.service import bell

    return bell
