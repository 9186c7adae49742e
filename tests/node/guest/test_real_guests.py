"""Real guests under a real libvirtd, in a host of the test's own (see conftest)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cumulet.desired.port import Plug
from cumulet.node.guest import console, domain, journal, qcow2
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.guest.images import ImageCache
from cumulet.node.guest.parts import ORDER, config_drive
from cumulet.node.guest.parts.power import Power
from tests.node.guest.real import GROUP, Host, qemus, spec, until

pytestmark = [pytest.mark.root, pytest.mark.guest]


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
