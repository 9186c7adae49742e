"""Shapes of consoles."""

from __future__ import annotations

from cumulet.http.bodies import Record

REMOTE_CONSOLE = Record("RemoteConsoleAddress", {"protocol": str, "type": str, "url": str})
CONSOLE = Record("ConsoleAddress", {"type": str, "url": str})
