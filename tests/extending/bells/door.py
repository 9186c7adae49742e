"""What other services and the assembly may use of bells."""

from __future__ import annotations

from tests.extending.bells.context import BellContext
from tests.extending.bells.flows.ring import register
from tests.extending.bells.model.bells import find, forget, kept

__all__ = ["BellContext", "find", "forget", "kept", "register"]
