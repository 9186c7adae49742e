"""Connections that a test may make."""

from __future__ import annotations

import socket

import pytest

from tests import sockets


@pytest.mark.parametrize("address", [("127.0.0.1", 1), ("127.9.9.9", 1), ("::1", 1, 0, 0), "/run/some", b"\0abstract"])
def test_this_machine(address: object) -> None:
    assert sockets.here(address)


@pytest.mark.parametrize(
    "address", [("192.0.2.1", 1), ("2001:db8::1", 1, 0, 0), ("fe80::1%eth0", 1), ("example.org", 1)]
)
def test_elsewhere(address: object) -> None:
    assert not sockets.here(address)


def test_a_connection_elsewhere_is_refused_and_remembered() -> None:
    with pytest.raises(sockets.OutsideError, match=r"192\.0\.2\.1:9"):
        socket.create_connection(("192.0.2.1", 9), timeout=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(sockets.OutsideError):
        one.sendto(b"x", ("192.0.2.1", 9))
    assert sockets.refused() == ["192.0.2.1:9", "192.0.2.1:9"]
