"""Names of the states of a bell. What leads from one to another is in ``verbs/``."""

from __future__ import annotations

SILENT, RINGING = "silent", "ringing"
