"""Real guests under a real libvirtd, in a host of the test's own (see conftest)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.desired.guest import Guest
from cumulet.desired.port import Plug
from cumulet.node.guest import console, domain, journal, qcow2
from cumulet.node.guest.errors import GuestError
from cumulet.node.guest.guests import GuestFacts, Guests
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.guest.images import ImageCache
from cumulet.node.guest.parts import ORDER, config_drive
from cumulet.node.guest.parts.power import Power
from tests.node.guest import bootsector

pytestmark = [pytest.mark.root, pytest.mark.guest]
GROUP = 4242
Mount = Callable[..., None]
KINDS = ("obeys", "ignores", "leaves", "fills")


def fetch(image_id: str) -> Iterable[bytes]:
    for kind in KINDS:
        if bootsector.image(kind).id == image_id:
            return [bootsector.disk(kind)]
    raise AssertionError(image_id)


def spec(number: int = 1, kind: str = "obeys", **changes: Any) -> Guest:
    fields: dict[str, Any] = {
        "id": f"33333333-3333-4333-8333-{number:012x}", "name": f"instance-{number:08x}", "display_name": "web",
        "vcpus": 1, "memory_mb": 32, "root_gb": 1, "image": bootsector.image(kind),
    }  # fmt: skip
    return Guest(**{**fields, **changes})


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def qemus() -> list[int]:
    """Process ids of all guests in this test's host."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().startswith("qemu-system"):
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


class Host:
    """A state folder with its daemon and the parts that work on it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.daemon = HypervisorDaemon(state, private=True)
        self.parts = self.restarted()

    def restarted(self) -> Guests:
        self.parts = Guests(self.state, self.daemon, fetch, "qemu", GROUP)
        self.parts.shutdowns.limit_s, self.parts.shutdowns.repeat_s = 3.0, 0.3
        return self.parts

    def settle(self, wanted: Guest) -> GuestFacts:
        return until(lambda: (facts := self.parts.ensure(wanted)).state == "ready" and facts)

    def says_hello(self, guest: Guest) -> None:
        until(lambda: bootsector.HELLO in self.parts.console_log(guest.id))

    def nothing_left(self) -> None:
        assert qemus() == []
        assert self.parts.observe() == []
        assert list((self.state / "instances").iterdir()) == []
        assert list((self.state / "vnc").iterdir()) == []
        assert not list((self.state / "libvirt").glob("log/qemu/instance-*"))
        assert not list((self.state / "libvirt").glob("etc/qemu/instance-*"))


@pytest.fixture
def machine(folder: Path, own_mounts: Mount) -> Iterator[Host]:
    own_mounts("-t", "tmpfs", "tmpfs", "/run")
    host = Host(folder / "s")
    yield host
    host.parts.close()
    host.daemon.stop()


def test_a_guest_comes_is_seen_and_goes(machine: Host) -> None:
    host = machine
    tap = "tap22222222-22"
    made = []

    def interfaces_ready() -> None:
        assert qemus() == []
        subprocess.run(["ip", "tuntap", "add", tap, "mode", "tap"], check=True)
        made.append(tap)

    port = Plug(port_id="22222222-2222-4222-8222-222222222222", network_id="n", mac="fa:16:3e:00:00:01")
    wanted = spec(ports=[port], config_drive={"openstack/latest/meta_data.json": "{}"})
    host.parts.absent(wanted.id)  # safe before anything was
    facts = host.parts.ensure(wanted, interfaces_ready)
    assert (facts.state, facts.power_state, facts.name) == ("ready", "running", "instance-00000001")
    (pid,) = qemus()
    assert host.parts.ensure(wanted, interfaces_ready) == facts
    assert (qemus(), made) == ([pid], [tap])
    assert host.parts.observe() == [facts]
    assert host.parts.leftovers() == []
    host.says_hello(wanted)

    names = ["virsh", "-c", host.daemon.uri, "list", "--name"]
    listed = subprocess.run(names, capture_output=True, text=True, check=False).stdout
    assert listed.split() == ["instance-00000001"]
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    assert "tb-size=32" in command
    assert "product=OpenStack Nova" in command
    assert wanted.id in command
    assert '"driver":"qcow2"' in command

    screen = Path(facts.vnc or "")
    assert (screen.stat().st_gid, screen.stat().st_mode & 0o777) == (GROUP, 0o660)
    with socket.socket(socket.AF_UNIX) as viewer:
        viewer.connect(str(screen))
        assert viewer.recv(12).startswith(b"RFB 003")
    assert host.parts.screenshot(wanted.id).startswith(b"\x89PNG")
    assert host.parts.diagnostics(wanted.id)["state.state"] == 1

    host.parts.absent("instance-00000001")  # by its name as well
    host.parts.absent(wanted.id)
    host.nothing_left()


def test_numbers_of_the_host(machine: Host) -> None:
    numbers = machine.parts.host_numbers()
    assert numbers.vcpus == os.cpu_count()
    assert numbers.memory_mb > 256
    assert numbers.hypervisor_version > 5_000_000
    assert numbers.cpu_info["arch"] == "x86_64"


def test_guests_outlive_libvirtd_and_the_node(machine: Host) -> None:
    host = machine
    first, second = spec(1), spec(2)
    host.parts.ensure(first)
    (pid,) = qemus()
    os.kill(host.daemon.ours() or 0, signal.SIGKILL)
    host.parts.ensure(second)  # this call finds it dead and starts another
    assert pid in qemus()
    assert {facts.id for facts in host.parts.observe()} == {first.id, second.id}

    host.daemon.stop()
    host.daemon = HypervisorDaemon(host.state, private=True)
    assert len(qemus()) == 2
    host.restarted()
    assert host.parts.ensure(first).power_state == "running"
    assert pid in qemus()
    started = time.monotonic()
    host.parts.absent(first.id)
    assert time.monotonic() - started < 1.5, "a killed guest waits for its reaper"
    host.parts.absent(second.id)
    host.nothing_left()


def test_reboots_happen_once(machine: Host) -> None:
    host = machine
    host.parts.ensure(spec(hard_reboots=2))
    (first,) = qemus()
    host.restarted().ensure(spec(hard_reboots=2))
    assert qemus() == [first]

    facts = host.parts.ensure(spec(hard_reboots=3))
    (second,) = qemus()
    assert (facts.power_state, facts.hard_reboots) == ("running", 3)
    assert second != first
    host.says_hello(spec())
    host.restarted().ensure(spec(hard_reboots=3))
    assert qemus() == [second]

    facts = host.settle(spec(hard_reboots=3, soft_reboots=1))
    (third,) = qemus()
    assert (facts.power_state, facts.soft_reboots) == ("running", 1)
    assert third != second
    host.restarted().ensure(spec(hard_reboots=3, soft_reboots=1))
    assert qemus() == [third]
    assert journal.read(host.state / "instances" / spec().id).left_by_itself is False


def test_a_reboot_cut_in_the_middle_is_finished(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host = machine
    host.parts.ensure(spec())
    monkeypatch.setattr(Power, "_start", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        host.settle(spec(soft_reboots=1))
    assert qemus() == []
    monkeypatch.undo()
    assert host.restarted().ensure(spec(soft_reboots=1)).power_state == "running"


def test_off_and_on(machine: Host) -> None:
    host = machine
    host.parts.ensure(spec())
    host.says_hello(spec())
    started = time.monotonic()
    facts = host.parts.ensure(spec(power="off"))
    assert time.monotonic() - started < 1, "switching off must not be waited for"
    assert (facts.state, facts.power_state) == ("working", "running")
    assert facts.again_in is not None
    assert host.settle(spec(power="off")).power_state == "shutdown"
    assert time.monotonic() - started < 3, "the guest obeyed, so nobody had to pull the plug"
    assert host.parts.ensure(spec(power="off")).power_state == "shutdown"
    assert host.parts.ensure(spec()).power_state == "running"


def test_a_guest_that_does_not_listen_is_switched_off(machine: Host) -> None:
    host = machine
    host.parts.ensure(spec(kind="ignores"))
    started = time.monotonic()
    assert host.settle(spec(kind="ignores", power="off")).power_state == "shutdown"
    assert 2.5 < time.monotonic() - started < 8


def test_a_guest_born_off(machine: Host) -> None:
    assert machine.parts.ensure(spec(power="off")).power_state == "shutdown"
    assert qemus() == []
    assert machine.parts.ensure(spec()).power_state == "running"


def test_a_guest_that_switches_itself_off_stays_off(machine: Host) -> None:
    host, seen = machine, []
    host.parts.events(lambda uuid, event: seen.append((uuid, event)))
    wanted = spec(kind="leaves")
    host.parts.ensure(wanted)
    until(lambda: (wanted.id, "shutdown") in seen)
    assert host.parts.ensure(wanted).power_state == "shutdown"
    os.kill(host.daemon.ours() or 0, signal.SIGKILL)  # libvirt forgets why it is off, we do not
    assert host.restarted().ensure(wanted).power_state == "shutdown"
    host.parts.ensure(spec(kind="leaves", power="off"))
    assert host.parts.ensure(wanted).power_state in ("running", "shutdown")
    until(lambda: seen.count((wanted.id, "started")) >= 1)


def test_the_host_goes_down_and_its_guests_come_back(machine: Host) -> None:
    host = machine
    willing, deaf, stopped = spec(1), spec(2, "ignores"), spec(3, power="off")
    for each in (willing, deaf, stopped):
        host.parts.ensure(each)
    host.says_hello(willing)
    assert host.parts.switch_off(3.0) == (2, 1)
    assert qemus() == []
    host.restarted()  # libvirt still knows that a guest obeyed a button: that it was ours stands in the journal
    assert host.parts.ensure(willing).power_state == "running"
    assert host.parts.ensure(deaf).power_state == "running"
    assert host.parts.ensure(stopped).power_state == "shutdown"
    assert journal.read(host.state / "instances" / willing.id).host_ended is False


def test_a_killed_qemu_is_started_again(machine: Host) -> None:
    host, seen = machine, []
    host.parts.events(lambda uuid, event: seen.append(event))
    host.parts.ensure(spec())
    os.kill(qemus()[0], signal.SIGKILL)
    until(lambda: "crashed" in seen)
    assert host.parts.ensure(spec()).power_state == "running"


STEPS = [
    *((part, "ensure") for part in ORDER), (ImageCache, "ensure_base"), (qcow2, "write"), (config_drive, "ensure"),
    (domain, "render"), (console, "start_anew"), (console, "adopt_screen"), (journal, "write"),
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
def test_failing_at_each_step_and_going_on(machine: Host, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    host = machine
    for number, (place, name) in enumerate(STEPS, start=1):
        wanted = spec(number, config_drive={"a": "b"})
        real = getattr(place, name)

        def break_off(*arguments: Any, real: Any = real, **named: Any) -> Any:
            if when == "after":
                real(*arguments, **named)
            raise KeyboardInterrupt

        monkeypatch.setattr(place, name, break_off)
        with pytest.raises(KeyboardInterrupt):
            host.parts.ensure(wanted)
        monkeypatch.undo()
        host.restarted()
        if number % 2:
            assert host.parts.ensure(wanted).power_state == "running", name
            assert len(qemus()) == 1
        host.parts.absent(wanted.id)
        host.nothing_left()


KILLED_NODE = """
import os, signal, sys
from pathlib import Path
from tests.node.guest import test_real_guests as t
place, name = t.STEPS[int(sys.argv[2])]
real = getattr(place, name)
def step(*arguments, **named):
    if sys.argv[3] == "after":
        real(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, step)
t.Host(Path(sys.argv[1])).parts.ensure(t.spec(int(sys.argv[2]) + 1, config_drive={"a": "b"}))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_node_killed_at_each_step(machine: Host, when: str) -> None:
    """Nothing is cleaned up behind it here: temporary files, folders and a domain half defined all stay."""
    host = machine
    host.parts.host_numbers()  # the daemon is not the killed node's child
    for number in range(len(STEPS)):
        wanted = spec(number + 1, config_drive={"a": "b"})
        command = [sys.executable, "-c", KILLED_NODE, str(host.state), str(number), when]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert len(qemus()) <= 1
        if number % 2:
            assert host.parts.ensure(wanted).power_state == "running"
            assert len(qemus()) == 1
        host.parts.absent(wanted.id)
        host.nothing_left()
    host.parts.sweep_images()
    assert list((host.state / "images").iterdir()) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_removal_cut_at_each_part_is_finished(machine: Host, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    host = machine
    for number, part in enumerate(ORDER, start=1):
        wanted = spec(number, config_drive={"a": "b"})
        host.parts.ensure(wanted)
        real = part.absent

        def break_off(self: Any, guest: Any, real: Any = real) -> None:
            if when == "after":
                real(self, guest)
            raise KeyboardInterrupt

        monkeypatch.setattr(part, "absent", break_off)
        with pytest.raises(KeyboardInterrupt):
            host.parts.absent(wanted.id)
        monkeypatch.undo()
        host.restarted().absent(wanted.id)
        host.nothing_left()


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
