"""Whose the other end of a connection on loopback is: the controller's, or somebody's who took its port.

A port is free while the controller is being started again, and anybody on this machine may listen there: the process of
a guest that broke out, too. Who answered would be given the node's secret, and obeyed. Must never send anything.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TABLE = Path("/proc/net/tcp")
_LISTEN, _ESTABLISHED = "0A", "01"
Address = tuple[str, int]


class StrangerError(ConnectionError):
    """Somebody else has the controller's port."""


def check_listener(address: Address, trusted: frozenset[int]) -> frozenset[int]:
    """The sockets that listen on exactly this IPv4 address and port, by the kernel's numbers for them.

    Raises StrangerError unless they are of users whose ids are in `trusted`.
    """
    found = [each for each in _sockets(_text(address)) if (each.local, each.state) == (_text(address), _LISTEN)]
    _check(address, {each.uid for each in found}, trusted)
    return frozenset(each.number for each in found)


def check_accepted(connection: socket.socket, trusted: frozenset[int]) -> None:
    """The same for the end that has accepted this connection and has answered. Raises StrangerError."""
    here, there = _text(connection.getsockname()), _text(connection.getpeername())
    wanted = (there, here, _ESTABLISHED)
    ends = {each.uid for each in _sockets(there) if (each.local, each.remote, each.state) == wanted}
    if ends:  # an answer may be the last thing that is said: then the other end is gone, and there is none to ask about
        _check(connection.getpeername(), ends, trusted)


def _check(address: Address, found: set[int], trusted: frozenset[int]) -> None:
    if not found or not found <= trusted:
        whose = f"belongs to user {min(found - trusted)}" if found else "is nobody's"
        raise StrangerError(f"port {address[1]} of {address[0]} {whose}, not the controller's")


@dataclass(frozen=True)
class _Socket:
    """A row of the kernel's table: the two addresses as `_text` has them, the owner, and the number of the socket."""

    local: str
    remote: str
    state: str
    uid: int
    number: int


def _sockets(address: str) -> Iterator[_Socket]:
    """TCP sockets over IPv4 of this network namespace whose row names that address: a busy machine has thousands."""
    for line in TABLE.read_text().splitlines()[1:]:
        if address in line:
            words = line.split()
            yield _Socket(words[1], words[2], words[3], int(words[7]), int(words[9]))


def _text(address: Address) -> str:
    """An address as the kernel's table has it: the bytes of the address as a number of this machine, in hexadecimal."""
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"
