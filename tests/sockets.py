"""Tests connect to this machine alone.

A test that asks something outside passes only where that is reached, and tells others what runs here. Whatever in the
process of a test connects elsewhere than to loopback, or to a socket in the file system, fails it. Tests marked `root`
talk to guests and routers in namespaces that they made, and are let be.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

_open = False
_refused: list[str] = []


class OutsideError(OSError):
    """A test connected to another machine."""


def watch() -> None:
    """Look at every connection of this process from now on; to be called once."""
    sys.addaudithook(_look)


def allow(everywhere: bool) -> None:
    """Whether the test that begins may connect everywhere."""
    global _open
    _open = everywhere


def refused() -> list[str]:
    """What was refused since this was last asked: code that swallows errors cannot hide it."""
    found, _refused[:] = list(_refused), []
    return found


def here(address: Any) -> bool:
    """Whether an address of `socket.connect` is on this machine: loopback, or a path."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    try:
        return host in ("", "localhost") or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _look(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto") or _open:
        return
    sock, address = args[0], args[1]
    if event == "socket.connect" and sock.type == socket.SOCK_DGRAM:
        return  # sends nothing: it is how a machine asks itself which address it would send from
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not here(address):
        _refused.append(f"{address[0]}:{address[1]}")
        raise OutsideError(f"tests connect to this machine alone, not to {address[0]}:{address[1]}")
