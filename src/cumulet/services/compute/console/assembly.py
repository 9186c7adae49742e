"""The console's part of a process: it opens what compute has given tokens for."""

from __future__ import annotations

from cumulet.process import Part, Process
from cumulet.services.compute.context import ComputeContext


def assemble(process: Process) -> Part:
    """Share compute's context."""
    return Part(process.context(ComputeContext))
