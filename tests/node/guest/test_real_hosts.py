"""What a host does to its real guests: daemons that die, disks that are full, others on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cumulet.desired.port import Plug
from cumulet.node.guest.errors import GuestError
from cumulet.node.guest.guests import Guests
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from tests.node.guest.real import Host, Mount, fetch, qemus, spec, until

pytestmark = [pytest.mark.root, pytest.mark.guest]


def test_libvirtd_killed_between_define_and_start(machine: Host) -> None:
    host, called = machine, []

    def interfaces_ready() -> None:
        called.append(1)
        if len(called) == 1:
            os.kill(host.daemon.ours() or 0, signal.SIGKILL)

    assert host.parts.ensure(spec(), interfaces_ready).power_state == "running"
    assert len(called) == 2
    assert len(qemus()) == 1
    host.parts.absent(spec().id)
    host.nothing_left()


def test_taps_that_do_not_come(machine: Host) -> None:
    host = machine

    def fails() -> None:
        raise GuestError("The port could not be bound.")

    with pytest.raises(GuestError, match="could not be bound"):
        host.parts.ensure(spec(), fails)
    assert qemus() == []
    port = Plug(port_id="22222222-2222-4222-8222-222222222222", network_id="n", mac="fa:16:3e:00:00:01")
    with pytest.raises(GuestError, match="could not start the server") as caught:
        host.parts.ensure(spec(ports=[port]))
    assert "specified dev doesn't exist" in caught.value.detail
    assert qemus() == []
    assert host.parts.ensure(spec()).power_state == "running"


def test_somebody_elses_domain_is_left_alone(machine: Host, folder: Path) -> None:
    host = machine
    host.parts.ensure(spec())
    other = Guests(folder / "other", host.daemon, fetch, "qemu", None)
    other.absent(spec().id)
    assert other.observe() == []
    with pytest.raises(GuestError, match="taken on this host"):
        other.ensure(spec())
    for ask in (other.screenshot, other.diagnostics):  # finding S19: they took the id of any domain of the machine
        with pytest.raises(GuestError, match="taken on this host"):
            ask(spec().id)
        with pytest.raises(GuestError, match="not running on this host"):
            ask(spec(2).id)
        with pytest.raises(GuestError, match="invalid id"):
            ask("instance-00000001")
    assert other.console_log(spec().id) == b""
    assert len(qemus()) == 1
    host.parts.absent(spec().id)
    host.nothing_left()


def test_a_full_disk_is_said_so_and_leaves_nothing(folder: Path, own_mounts: Mount) -> None:
    own_mounts("-t", "tmpfs", "tmpfs", "/run")
    state = folder / "s"
    (state / "instances").mkdir(parents=True)
    own_mounts("-t", "tmpfs", "-o", "size=8k", "tmpfs", str(state / "instances"))
    host = Host(state)
    with pytest.raises(GuestError, match="no space left"):
        host.parts.ensure(spec())
    assert [path.name for path in (state / "instances").glob("*/*")] in ([], ["journal.json"])
    own_mounts("-o", "remount,size=4m", str(state / "instances"))
    assert host.parts.ensure(spec()).power_state == "running"
    host.parts.absent(spec().id)
    host.nothing_left()


def test_a_guest_stopped_by_a_full_disk_goes_on_when_there_is_room(folder: Path, own_mounts: Mount) -> None:
    own_mounts("-t", "tmpfs", "tmpfs", "/run")
    instances = folder / "s" / "instances"
    instances.mkdir(parents=True)
    own_mounts("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(instances))
    host, seen = Host(folder / "s"), []
    host.parts.events(lambda uuid, event: seen.append(event))
    wanted = spec(kind="fills")
    host.parts.ensure(wanted)
    until(lambda: "paused" in seen)
    assert host.parts.observe()[0].power_state == "paused"
    own_mounts("-o", "remount,size=256m", str(instances))
    assert host.parts.ensure(wanted).power_state == "running"
    time.sleep(1)
    assert host.parts.observe()[0].power_state == "running"
    host.parts.absent(wanted.id)
    host.nothing_left()


def test_a_state_folder_too_long_for_sockets(folder: Path) -> None:
    state = folder / ("x" * 80)
    with pytest.raises(GuestError, match="too long"):
        Guests(state, HypervisorDaemon(state, private=True), fetch, "qemu", None)


def test_many_at_once(machine: Host) -> None:
    host, failed = machine, []

    def bring(number: int) -> None:
        try:
            host.parts.ensure(spec(number))
            host.parts.ensure(spec(number))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=bring, args=(number % 4 + 1,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(qemus()) == 4
    assert host.parts.sweep_images() == []
    for number in range(1, 5):
        host.parts.absent(spec(number).id)
    host.nothing_left()
    assert len(host.parts.sweep_images()) == 1


def test_on_the_hosts_own_paths(folder: Path, own_mounts: Mount) -> None:
    """Without `private`, plain virsh finds the guests and the host's configuration is what it was."""
    before = {path: path.read_bytes() for path in Path("/etc/libvirt").glob("*.conf")}
    kept = folder / "etc"
    subprocess.run(["cp", "-a", "/etc/libvirt", str(kept)], check=True)
    for path in ("/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"):
        own_mounts("-t", "tmpfs", "tmpfs", path)
    own_mounts("--bind", str(kept), "/etc/libvirt")
    daemon = HypervisorDaemon(folder / "s")
    host = Guests(folder / "s", daemon, fetch, "qemu", None)
    host.ensure(spec())
    names = ["virsh", "-c", "qemu:///system", "list", "--name"]
    listed = subprocess.run(names, capture_output=True, text=True, check=False)
    assert listed.stdout.split() == ["instance-00000001"], listed.stderr
    assert {path: path.read_bytes() for path in Path("/etc/libvirt").glob("*.conf")} == before

    second = HypervisorDaemon(folder / "t")  # finds the running one and uses it
    assert second.ensure() == daemon.uri
    assert second.ours() is None
    second.stop()
    assert daemon.answers()
    host.absent(spec().id)
    daemon.stop()
    assert not daemon.answers()


def test_two_clouds_side_by_side(machine: Host, folder: Path) -> None:
    """Each has an instance-00000001, with the same id even, and neither sees the other's."""
    other = Host(folder / "t")
    machine.parts.ensure(spec())
    other.parts.ensure(spec())
    assert len(qemus()) == 2
    other.parts.absent(spec().id)
    assert machine.parts.observe()[0].power_state == "running"
    other.daemon.stop()
    machine.parts.absent(spec().id)
    machine.nothing_left()
