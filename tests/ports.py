"""Ports for the clouds of tests that run side by side, in one process or in several."""

from __future__ import annotations

import os
import socket
from collections import deque
from contextlib import ExitStack

_FIRST, _END = 20_000, 32_000
"""Below those that the kernel gives to outgoing connections."""
_held: deque[ExitStack] = deque()
_MOST_HELD = 8


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row.

    Other tests are not given them before the cloud that they are for has bound them, nor is a cloud that chooses its
    ports by itself: a name in the kernel that `cumulet.cli.listening` looks at, too, is held for a while.
    """
    start = _FIRST + os.getpid() * 31 % 10_000
    for base in [*range(start, _END - count, count), *range(_FIRST, start, count)]:
        with ExitStack() as tried:
            try:
                for port in range(base, base + count):
                    name = tried.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                    name.bind(f"\0cumulet-port-{port}")
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _held.append(tried.pop_all())
            if len(_held) > _MOST_HELD:
                _held.popleft().close()
            return base
    raise AssertionError("no free ports")
