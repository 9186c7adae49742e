"""The metadata service's part of a process: it answers by what compute knows."""

from __future__ import annotations

from cumulet.process import Part, Process
from cumulet.services.compute.context import ComputeContext


def assemble(process: Process) -> Part:
    """Share compute's context."""
    return Part(process.context(ComputeContext))
