"""Desired state of kind ``bell``: a bell on a host, and whether it rings."""

from __future__ import annotations

from cumulet.desired.shape import Shape

FORMAT = 1
"""Of what is said here; it rises when an earlier node would take it for something else."""


class Bell(Shape):
    """A bell as its host shall have it."""

    id: str
    rings: bool = False
