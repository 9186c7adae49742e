"""dnsmasq as somebody who was taken over, and others who say that they are it (finding S13)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.desired.addresses import Address
from cumulet.desired.network import Dhcp, DhcpHost, Network, Subnet
from cumulet.node import users
from cumulet.node.net import dhcp

NETWORK = "0d000000-0000-4000-8000-000000000001"
PORT = "0c000000-0000-4000-8000-000000000001"
MAC = "fa:16:3e:00:00:01"
PRETEND = """
import ctypes, sys
ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE: what is below /proc belongs to root now
print("here", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start() -> Iterator[Callable[..., int]]:
    """Start a process that calls itself the network's dnsmasq, as a user of its own."""
    made: list[subprocess.Popen[str]] = []

    def started(place: Path, user: int) -> int:
        words = ["dnsmasq", "-c", PRETEND, f"--pid-file={place}/pid"]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        made.append(subprocess.Popen(words, executable=os.path.realpath(sys.executable), user=user, **pipes))
        assert made[-1].stdout is not None and made[-1].stdout.readline() == "here\n"
        return made[-1].pid

    yield started
    for process in made:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes as others")
def test_who_calls_itself_dnsmasq_is_not_taken_for_it(tmp_path: Path, start: Callable[..., int]) -> None:
    """Finding S13: a QEMU that was taken over could stand for a network's dnsmasq that is gone, and nobody would start
    another one."""
    servers = dhcp.DhcpServers(tmp_path)
    place = tmp_path / NETWORK
    place.mkdir()
    pid = start(place, users.derived("guest", "somebody").uid)
    (place / "pid").write_text(f"{pid}\n")
    assert not servers.running(NETWORK)
    own = start(place, users.derived("dhcp", str(tmp_path), NETWORK).uid)
    assert servers.running(NETWORK)
    assert (place / "pid").read_text() == f"{own}\n"


def test_a_file_of_leases_without_end_is_not_read(tmp_path: Path) -> None:
    """Finding S13: dnsmasq may write what it likes into it, and the node must live."""
    place = tmp_path / NETWORK
    place.mkdir()
    leases = place / "leases"
    address = Address(ip="10.0.0.5", subnet_id=NETWORK, prefix=24)
    host = DhcpHost(port_id=PORT, mac=MAC, hostname="h", addresses=[address])
    network = Network(
        id=NETWORK,
        subnets=[Subnet(id=NETWORK, cidr="10.0.0.0/24")],
        dhcp=Dhcp(port_id=PORT, mac=MAC, addresses=[], hosts=[host]),
    )
    servers = dhcp.DhcpServers(tmp_path)
    good = f"1764496800 {MAC} 10.0.0.5 h 01:{MAC}\n"
    leases.write_text(good)
    assert not servers._drop_stale_leases(place, network)
    leases.write_bytes(good.encode() + b"1 \xff\xfe 10.0.0.9 x *\n")
    assert servers._drop_stale_leases(place, network, write=True)
    assert leases.read_text() == good
    with leases.open("ab") as file:
        file.truncate(1 << 36)
    assert servers._drop_stale_leases(place, network, write=True)
    assert leases.read_text() == ""
