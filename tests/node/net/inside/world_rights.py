"""Finding S13, for networks: dnsmasq, which reads whatever a guest sends, is a user of its own and never was root."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from worldkit import Cloud, FakeGuest, group, host_of, port, sh, tenant

from cumulet.desired.network import Network
from cumulet.node import users
from cumulet.node.net import names

RIGHTS = 1 << 10 | 1 << 12 | 1 << 13
"""CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW."""


def folder(network: Network) -> Path:
    return next(Path("/run/cumulet").glob(f"*/dhcp/{network.id}"))


def pid_of(network: Network) -> int:
    return int((folder(network) / "pid").read_text())


def said(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def may(user: users.User, *command: str) -> bool:
    done = subprocess.run([*users.dropped(user), *command], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def test_each_networks_dnsmasq_is_a_user_with_three_rights(
    make_cloud: Callable[..., Cloud], udhcpc_script: Path
) -> None:
    cloud, shut = make_cloud(), group()
    one, two = tenant(), tenant(vni=59)
    guest = port(one, 5, [shut.id])
    assert one.dhcp is not None
    one.dhcp.hosts = [host_of(guest, "one")]
    for network in (one, two):
        cloud.parts.ensure_network(network)
    cloud.parts.ensure_ports([guest], {shut.id: shut})
    them = []
    for network in (one, two):
        now = said(pid_of(network))
        (uid,) = {*now["Uid"]}
        (gid,) = {*now["Gid"]}
        them.append(users.User(int(uid), int(gid)))
        assert users.FIRST <= int(uid) == int(gid)
        assert {int(now[f"Cap{kind}"][0], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {RIGHTS}
        assert (now["NoNewPrivs"], now["Groups"]) == (["1"], [])
    assert them[0] != them[1]
    assert FakeGuest(guest).start().lease(udhcpc_script)["ip"] == "10.0.0.5"
    assert "10.0.0.5" in (folder(one) / "leases").read_text(), "it may write these"

    place = folder(one)
    assert stat.S_IMODE(place.stat().st_mode) == 0o710
    for name in ("host", "opts", "addn_hosts", "leases"):
        assert may(them[0], "cat", str(place / name))
        assert may(them[0], "sh", "-c", f": >> {place}/{name}") == (name == "leases")
        assert not may(them[1], "cat", str(place / name))
    assert not may(them[0], "touch", str(place / "new"))
    assert not may(them[0], "ls", str(place))


def test_one_from_before_is_replaced_and_one_without_a_pid_file_is_found(make_cloud: Callable[..., Cloud]) -> None:
    cloud, inner = make_cloud(), tenant()
    cloud.parts.ensure_network(inner)
    place, first = folder(inner), pid_of(inner)
    (place / "pid").unlink()  # the node ended between starting it and noting it
    _again(cloud, inner)
    assert pid_of(inner) == first

    words = Path(f"/proc/{first}/cmdline").read_bytes().decode().split("\0")[:-1]
    os.kill(first, signal.SIGKILL)
    while lives(first):
        time.sleep(0.02)
    sh("ip", "netns", "exec", names.dhcp_namespace(inner.id), *words)  # as root, which becomes nobody
    old = pid_of(inner)
    assert said(old)["Uid"][0] == "65534"
    _again(cloud, inner)
    assert pid_of(inner) != old
    assert int(said(pid_of(inner))["Uid"][0]) >= users.FIRST
    assert not lives(old)


def lives(pid: int) -> bool:
    """Whether the process runs or still holds its sockets (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _again(cloud: Cloud, network: Network) -> None:
    """As if nothing were remembered."""
    cloud.parts._seen.clear()
    cloud.parts.ensure_network(network)
