"""Finding S13: which process of a running cloud may do what, and what one that was taken over does not reach.

The table in docs/security.md says the same in words.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cumulet.node import users
from tests.e2e.lab import STATE, Lab, real, until
from tests.e2e.machine import Machine
from tests.e2e.stage import Server, Stage

pytestmark = real(600)

CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
ROOTS = {"supervise", "serve node", "subreap.py", "libvirtd"}
"""All that may be root's while a cloud is at rest; who adds one explains it in docs/security.md."""
DNSMASQ = 1 << 10 | 1 << 12 | 1 << 13
"""CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Machine("confined") as machine:
        lab = Lab(machine)
        lab.up()
        yield Stage(lab)
        lab.cumulet("down", "--purge")


@pytest.fixture(scope="module")
def servers(stage: Stage) -> list[Server]:
    made = [stage.create(f"vm{number}") for number in (1, 2)]
    for each in made:
        stage.wait(each)
    return made


def status(stage: Stage, pid: str) -> dict[str, str]:
    lines = stage.lab.host("cat", f"/proc/{pid}/status").splitlines()
    return {key: " ".join(value.split()) for key, _, value in (line.partition(":") for line in lines)}


def processes(stage: Stage) -> dict[str, str]:
    """Number and command line of each process in the machine that has one."""
    rows = (line.split(None, 1) for line in stage.lab.host("ps", "-eww", "-o", "pid=,args=").splitlines())
    return {pid: command for pid, command in rows if not command.startswith(("ps ", "["))}


def as_user(stage: Stage, uid: int, *command: str) -> bool:
    """Whether the command succeeds for that user and group without any right."""
    return stage.lab.machine.run(*users.dropped(users.User(uid, uid)), *command, check=False).returncode == 0


def test_each_process_has_least_rights(stage: Stage, servers: list[Server]) -> None:
    found: dict[str, list[dict[str, str]]] = {}
    for pid, command in processes(stage).items():
        for kind in ("qemu-system", "dnsmasq", "serve controller"):
            if kind in command:
                found.setdefault(kind, []).append(status(stage, pid))
    assert [len(found[kind]) for kind in ("qemu-system", "dnsmasq", "serve controller")] == [2, 1, 1]
    rights = {"qemu-system": 0, "dnsmasq": DNSMASQ, "serve controller": 0}
    seen = set()
    for kind, each in ((kind, one) for kind, ones in found.items() for one in ones):
        assert "0" not in (*each["Uid"].split(), *each["Gid"].split()), kind
        assert len({*each["Uid"].split()}) == 1, kind
        assert {int(each[f"Cap{name}"], 16) for name in ("Prm", "Eff")} == {rights[kind]}, kind
        assert each["NoNewPrivs"] == "1", kind
        seen.add(each["Uid"])
    assert len(seen) == 4, "a user for each"
    assert [each["Seccomp"] for each in found["qemu-system"]] == ["2", "2"]
    assert int(found["dnsmasq"][0]["CapBnd"], 16) == DNSMASQ


def test_nobody_else_is_root(stage: Stage, servers: list[Server]) -> None:
    def others() -> list[str]:
        rows = stage.lab.host("ps", "-eww", "-o", "pid=,uid=,args=").splitlines()
        found = [(pid, uid, command) for pid, uid, command in (row.split(None, 2) for row in rows)]
        ours = [command for pid, uid, command in found if uid == "0" and pid != "1" and not command.startswith("ps ")]
        return [command for command in ours if not any(name in command for name in ROOTS)]

    until("the cloud is at rest", lambda: not others(), 30)  # commands of the node come and go
    assert others() == []


def test_a_taken_over_qemu(stage: Stage, servers: list[Server]) -> None:
    lab, mine, other = stage.lab, *servers
    uid = int(status(stage, stage.look.qemu(mine.name))["Uid"].split()[0])
    host = lab.host("readlink", "/proc/1/ns/mnt")
    assert host != lab.host("readlink", f"/proc/{stage.look.qemu(mine.name)}/ns/mnt")
    devices = lab.host("ls", f"/proc/{stage.look.qemu(mine.name)}/root/dev").split()
    assert not {"kvm", "vda", "mem", "tty0", "loop0"} & set(devices)
    node, own = STATE / "node", STATE / "node/instances" / mine.id
    assert as_user(stage, uid, "dd", "of=/dev/null", "count=1", f"if={own}/disk")
    journals = lab.host("sh", "-c", f"find {node}/journal {STATE}/secrets {STATE}/log -type f").split()
    closed = [node / "instances" / other.id / "disk", own / "journal.json", own / "console.log", node / "link.json"]
    closed += [STATE / "db/cumulet.sqlite", STATE / "admin-openrc", STATE / "clouds.yaml"]
    for path in (*map(str, closed), *journals):
        assert lab.host("test", "-e", path) == ""
        assert not as_user(stage, uid, "dd", "of=/dev/null", "count=1", f"if={path}"), path
    for folder in (STATE, node, node / "instances", node / "images", node / "vnc", "/var/lib/libvirt/qemu"):
        assert not as_user(stage, uid, "ls", str(folder)), folder
        assert not as_user(stage, uid, "touch", f"{folder}/new"), folder
    (monitor,) = lab.host("sh", "-c", f"ls /var/lib/libvirt/qemu/domain-*-{other.name}/monitor.sock").split()
    python = "/usr/bin/python3"
    for sock in (str(node / "vnc" / f"{other.id}.sock"), monitor, "/run/libvirt/libvirt-sock"):
        lab.host(python, "-c", CONNECT, sock)
        assert not as_user(stage, uid, python, "-c", CONNECT, sock), sock
    assert not as_user(stage, uid, "kill", "-0", stage.look.qemu(other.name))


def test_a_taken_over_dnsmasq(stage: Stage, servers: list[Server]) -> None:
    lab = stage.lab
    pid = next(pid for pid, command in processes(stage).items() if command.startswith("dnsmasq"))
    uid = int(status(stage, pid)["Uid"].split()[0])
    (folder,) = lab.host("sh", "-c", "ls -d /run/cumulet/*/dhcp/*").split()
    for name in ("host", "opts", "addn_hosts", "leases"):
        assert as_user(stage, uid, "cat", f"{folder}/{name}"), name
        assert as_user(stage, uid, "sh", "-c", f": >> {folder}/{name}") == (name == "leases"), name
    assert not as_user(stage, uid, "touch", f"{folder}/new")
    qemu = int(status(stage, stage.look.qemu(servers[0].name))["Uid"].split()[0])
    assert not as_user(stage, qemu, "cat", f"{folder}/host")
    disk = STATE / "node/instances" / servers[0].id / "disk"
    for path in (disk, STATE / "node/link.json", STATE / "db/cumulet.sqlite"):
        assert not as_user(stage, uid, "dd", "of=/dev/null", "count=1", f"if={path}"), path


def test_it_is_so_after_the_node_and_libvirtd_were_killed(stage: Stage, servers: list[Server]) -> None:
    look, server = stage.look, servers[0]
    before = status(stage, look.qemu(server.name))["Uid"]
    look.strike("node")
    stage.lab.host("pkill", "-9", "libvirtd")  # in the machine's own process numbers
    stage.act(server, reboot={"type": "HARD"})
    until("the guest is started again", lambda: look.starts(server.name) == 2, 60)
    stage.wait(server)
    now = status(stage, look.qemu(server.name))
    assert (now["Uid"], now["Seccomp"], int(now["CapEff"], 16)) == (before, "2", 0)
    assert any("a user of its own" in line for line in stage.lab.cumulet("status", check=False).splitlines())
