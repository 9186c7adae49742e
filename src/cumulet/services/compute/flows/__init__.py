"""Compute's flows: how long verbs come to their end. A new file here is found by itself."""

from cumulet.engine import Engine
from cumulet.engine.verbs import modules_of
from cumulet.services.compute.context import ComputeContext


def register(engine: Engine, context: ComputeContext) -> None:
    """Make compute's flows known to the engine."""
    for module in modules_of(__name__):
        module.register(engine, context)
