"""Finding S13: what a guest that has broken out into its QEMU, or a tool into which a stranger's file broke, can do."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from cumulet.desired.guest import BootImage
from cumulet.node import users
from cumulet.node.guest import (
    bounded,
    confinement,
    console,
    domain,
    guests,
    hypervisor_daemon,
    images,
    subreap,
)
from cumulet.node.guest.confinement import Confinement
from tests.node.guest import test_images
from tests.node.guest.real import GROUP, Host, Mount, fetch, qemus, spec, until

DEVICES = {
    *("fd", "stdin", "stdout", "stderr", "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm"),
    *("mqueue", "hugepages", "log", "net", "vhost-net", "fuse"),
}
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


@pytest.fixture
def host(folder: Path, own_mounts: Mount) -> Iterator[Host]:
    own_mounts("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.umask(0o027)  # as the supervisor has it
    made = Host(folder / "s")
    (folder / "s").chmod(0o711)
    yield made
    made.parts.close()
    made.daemon.stop()


def status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return {key: " ".join(value.split()) for key, _, value in (line.partition(":") for line in text.splitlines())}


def user_of(pid: int) -> users.User:
    said = status(pid)
    uids, gids = set(said["Uid"].split()), set(said["Gid"].split())
    assert len(uids) == len(gids) == 1, "real, effective, saved and file system's are the same"
    return users.User(int(uids.pop()), int(gids.pop()))


def may(user: users.User, *command: str) -> bool:
    """Whether the command succeeds for somebody who is `user` and nothing else."""
    words = [*users.dropped(user), *command]
    return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, cwd="/", check=False).returncode == 0


def of(guest: str) -> int:
    """The QEMU of a guest."""
    return next(pid for pid in qemus() if guest in Path(f"/proc/{pid}/cmdline").read_text())


@pytest.mark.root
@pytest.mark.guest
def test_each_qemu_is_a_user_without_rights(host: Host) -> None:
    for number in (1, 2):
        host.parts.ensure(spec(number))
    pids = [of(spec(number).id) for number in (1, 2)]
    them = [user_of(pid) for pid in pids]
    assert len({user.uid for user in them}) == len({user.gid for user in them}) == 2
    for pid, user in zip(pids, them, strict=True):
        said = status(pid)
        assert users.FIRST <= user.uid < users.FIRST + users.COUNT
        assert set(said["Groups"].split()) <= {str(user.gid)}
        assert {int(said[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
        assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
        command = Path(f"/proc/{pid}/cmdline").read_text()
        assert "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" in command
        assert os.readlink(f"/proc/{pid}/ns/mnt") not in {os.readlink(f"/proc/{each}/ns/mnt") for each in ("self", 1)}
    assert os.readlink(f"/proc/{pids[0]}/ns/mnt") != os.readlink(f"/proc/{pids[1]}/ns/mnt")


@pytest.mark.root
@pytest.mark.guest
def test_a_qemu_sees_the_devices_that_it_was_given(host: Host) -> None:
    host.parts.ensure(spec())
    (pid,) = qemus()
    there = {each.name for each in Path(f"/proc/{pid}/root/dev").iterdir()}
    assert there <= DEVICES, there - DEVICES
    assert {"null", "urandom", "ptmx"} <= there
    host.parts.host_numbers()
    assert host.parts.screenshot(spec().id).startswith(b"\x89PNG"), "QEMU writes it, libvirt reads it"


@pytest.mark.root
@pytest.mark.guest
def test_a_qemu_reaches_what_is_its_own_and_no_neighbour(host: Host) -> None:
    for number in (1, 2):
        host.parts.ensure(spec(number, config_drive={"a": "secret"}, ephemeral_gb=1, swap_mb=1))
    mine, other = spec(1).id, spec(2).id
    me, state = user_of(of(mine)), host.state
    (state / "link.json").write_text("secret")
    own = state / "instances" / mine
    for name in ("disk", "disk.config", "disk.eph0", "disk.swap"):
        assert may(me, "cat", str(own / name)), "else the test proves nothing"
        assert not may(me, "cat", str(state / "instances" / other / name))
        assert not may(me, "stat", str(state / "instances" / other / name))
    (base,) = (state / "images").iterdir()
    assert may(me, "cat", str(base))
    assert not may(me, "dd", f"of={base}", "if=/dev/null", "conv=notrunc")
    assert not may(me, "chmod", "600", str(base))
    for path in (own / "journal.json", own / "console.log", state / "link.json", state / "libvirt" / "qemu.conf",
                 state / "libvirt" / "etc" / "qemu.conf"):  # fmt: skip
        assert not may(me, "cat", str(path)), path
    for folder in (state / "instances", state / "images", state / "vnc", own, state / "libvirt"):
        assert not may(me, "ls", str(folder)), folder
        assert not may(me, "touch", str(folder / "new")), folder
    (monitor,) = (state / "libvirt" / "lib" / "qemu").glob("domain-*-instance-00000002/monitor.sock")
    for sock in (state / "vnc" / f"{other}.sock", monitor, host.daemon.socket):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.connect(str(sock))  # it is there, and listens
        assert not may(me, sys.executable, "-c", CONNECT, str(sock)), sock


@pytest.mark.root
@pytest.mark.guest
def test_the_screen_is_for_the_console_proxy_alone(host: Host) -> None:
    facts = host.parts.ensure(spec())
    sock = Path(facts.vnc or "")
    said = sock.lstat()
    assert (said.st_uid, said.st_gid, stat.S_IMODE(said.st_mode)) == (0, GROUP, 0o660)
    assert [each.name for each in sock.parent.iterdir()] == [sock.name], "QEMU has no folder to put anything else into"
    python = "/usr/bin/python3"  # which everybody may run, wherever ours is
    assert may(users.User(4711, GROUP), python, "-c", CONNECT, facts.vnc or "")
    assert not may(users.User(4711, 4711), python, "-c", CONNECT, facts.vnc or "")


@pytest.mark.root
@pytest.mark.guest
def test_a_disk_says_nothing_about_the_host(host: Host) -> None:
    """Who owns QEMU writes any header into the disk: it must not name what is opened at the next start."""
    host.parts.ensure(spec())
    host.parts.ensure(spec(power="off"))
    until(lambda: host.parts.ensure(spec(power="off")).state == "ready")
    file = host.state / "instances" / spec().id / "disk"
    secret = host.state / "secret"
    secret.write_bytes(b"s" * (1 << 20))
    subprocess.run(["qemu-img", "rebase", "-u", "-b", str(secret), "-F", "raw", str(file)], check=True)
    host.parts.ensure(spec())
    (pid,) = qemus()
    assert str(secret) not in Path(f"/proc/{pid}/cmdline").read_text()
    host.says_hello(spec())


@pytest.mark.root
@pytest.mark.guest
def test_a_guest_from_before_runs_on_and_changes_at_its_next_start(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its QEMU is root's, its screen where screens were, its folder and disk as they were made."""
    state = host.state
    before = 'user = "root"\ngroup = "root"\ndynamic_ownership = 0\nremember_owner = 0\nsecurity_driver = "none"\n'
    before += 'stdio_handler = "file"\nnamespaces = []\ncgroup_controllers = []\n'
    monkeypatch.setattr(Confinement, "settings", lambda _self: before)
    monkeypatch.setattr(users, "of_folder", lambda *_words, **_more: users.User(0, 0))
    monkeypatch.setattr(users, "closed", lambda _path: None)
    monkeypatch.setattr(console, "screen_nest", lambda sock: sock)
    host.parts.ensure(spec())
    (pid,) = qemus()
    assert user_of(pid) == users.User(0, 0)
    host.daemon.stop()
    monkeypatch.undo()
    for path in (state / "instances", state / "images", state / "instances" / spec().id):
        path.chmod(0o750)
    (state / "libvirt" / "lib").chmod(0o750)

    host.daemon = hypervisor_daemon.HypervisorDaemon(state, private=True)
    facts = host.restarted().ensure(spec())
    assert (qemus(), facts.power_state) == ([pid], "running")
    with socket.socket(socket.AF_UNIX) as viewer:
        viewer.connect(facts.vnc or "")
    assert host.parts.screenshot(spec().id).startswith(b"\x89PNG")
    host.parts.ensure(spec(hard_reboots=1))
    (new,) = qemus()
    assert user_of(new).uid >= users.FIRST
    host.says_hello(spec())
    host.parts.absent(spec().id)
    host.nothing_left()


@pytest.mark.root
@pytest.mark.guest
def test_the_hosts_own_folders_let_guests_pass_and_become_what_they_were(folder: Path, own_mounts: Mount) -> None:
    """As Debian's package makes them; a daemon of ours on the host's own paths."""
    for path in ("/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt/qemu"):
        own_mounts("-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    theirs = Path("/var/lib/libvirt/qemu")
    theirs.mkdir()
    shutil.chown(theirs, "libvirt-qemu", "libvirt-qemu")
    theirs.chmod(0o750)
    daemon = hypervisor_daemon.HypervisorDaemon(folder / "s")
    host = guests.Guests(folder / "s", daemon, fetch, "qemu", None)
    assert host.ensure(spec()).power_state == "running"
    (pid,) = qemus()
    me = user_of(pid)
    assert me.uid >= users.FIRST
    assert not may(me, "ls", str(theirs)) and not may(me, "touch", str(theirs / "new"))
    host.absent(spec().id)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o751
    daemon.purge()
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o750
    daemon.purge()


@pytest.mark.root
@pytest.mark.guest
def test_a_libvirtd_of_the_hosts_own(folder: Path, own_mounts: Mount) -> None:
    """With the settings that its package brings: it gives guests' files away, but not ours."""
    for path in ("/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt/qemu"):
        own_mounts("-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    Path("/var/log/libvirt/qemu").mkdir()
    if Path("/dev/kvm").exists():  # where it is closed to others, libvirt asks QEMU again and again what it can do
        own_mounts("--bind", "/dev/null", "/dev/kvm")
    for name in ("virtlogd", "libvirtd"):
        words = [sys.executable, "-I", "-S", subreap.__file__, "--", f"/usr/sbin/{name}"]
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    daemon = hypervisor_daemon.HypervisorDaemon(folder / "s")
    until(daemon.answers)
    host = guests.Guests(folder / "s", daemon, fetch, "qemu", GROUP)
    facts = host.ensure(spec(config_drive={"a": "b"}))
    assert daemon.ours() is None and daemon.note == confinement.THE_HOSTS
    (pid,) = qemus()
    me, instance = user_of(pid), folder / "s" / "instances" / spec().id
    assert me.uid >= users.FIRST
    assert {int(status(pid)[f"Cap{kind}"], 16) for kind in ("Prm", "Eff")} == {0}
    (base,) = (folder / "s" / "images").iterdir()
    assert {base.stat().st_uid, (instance / "console.log").stat().st_uid} == {0}
    assert {(instance / name).stat().st_uid for name in ("disk", "disk.config")} == {me.uid}
    with socket.socket(socket.AF_UNIX) as viewer:
        viewer.connect(facts.vnc or "")
    assert host.screenshot(spec().id).startswith(b"\x89PNG")
    host.absent(spec().id)
    assert qemus() == []


@pytest.mark.root
def test_what_a_hostile_qemu_leaves_for_root_to_touch(folder: Path) -> None:
    """In its own folder, until its screen is adopted, it may put anything; the group's rights go to nothing of it."""
    vnc, user = folder / "vnc", users.derived("a guest")
    console.prepare_folder(vnc, GROUP)
    target = folder / "target"
    target.write_text("root's")
    target.chmod(0o600)
    strange = folder / "strange.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(strange))

    def a_folder(path: Path) -> None:
        path.mkdir()
        (path / "x").symlink_to(target)

    for make in (
        lambda path: path.symlink_to(target),
        lambda path: path.symlink_to(strange),
        lambda path: os.link(target, path),
        lambda path: os.link(strange, path),
        a_folder,
        os.mkfifo,
        lambda _path: None,
    ):
        nest = console.expect_screen(vnc / "g.sock", user)
        assert (nest.parent.stat().st_uid, stat.S_IMODE(nest.parent.stat().st_mode)) == (user.uid, 0o700)
        make(nest)
        console.adopt_screen(vnc / "g.sock", user, GROUP)
        assert list(vnc.iterdir()) == []
    assert (target.stat().st_gid, stat.S_IMODE(target.stat().st_mode)) == (0, 0o600)
    assert strange.stat().st_gid == 0
    console.adopt_screen(vnc / "g.sock", user, GROUP)  # safe when there is nothing
    listening.close()


@pytest.mark.root
def test_tools_that_open_strangers_files_have_no_rights_and_no_network(folder: Path) -> None:
    before = folder / "root's"
    before.write_text("secret")
    before.chmod(0o600)
    me = users.for_once()
    said = bounded.run(["cat", "/proc/self/status"], bounded.Bounds(), me).decode()
    assert re.findall(r"^(?:Uid|Gid):\t(.*)$", said, re.M) == ["\t".join([str(me.uid)] * 4)] * 2
    assert set(re.findall(r"^Cap...:\t(.*)$", said, re.M)) == {"0" * 16}
    assert "NoNewPrivs:\t1" in said
    net = bounded.run(["cat", "/proc/self/net/dev"], bounded.Bounds(), me).decode()
    assert re.findall(r"^\s*(\S+):", net, re.M) == ["lo"]
    assert "CUMULET" not in bounded.run(["env"], bounded.Bounds(), me).decode()
    with pytest.raises(bounded.CommandFailed, match="denied"):
        bounded.run(["cat", str(before)], bounded.Bounds(), me)
    assert users.for_once() != me


@pytest.mark.root
@pytest.mark.parametrize("late", [False, True])
def test_a_tool_that_was_broken_leaves_nothing_behind(folder: Path, late: bool) -> None:
    """What it wrote is checked when it has ended: nobody of it may be there to change it after that, or to stay."""
    me = users.for_once()
    written = folder / "written"
    written.touch()
    users.give(written, me)
    change = f"exec 3>>{written}; trap '' HUP TERM; sleep 3; echo changed >&3; sleep 60"
    hidden = f'(setsid sh -c "{change}" >/dev/null 2>&1 &)'
    command = ["sh", "-c", f"{hidden}; sleep {60 if late else 0.5}"]
    with pytest.raises(bounded.CommandFailed, match="timed out") if late else nullcontext():
        bounded.run(command, bounded.Bounds(wall_s=2 if late else 20), me)
    time.sleep(3)
    assert written.read_text() == ""
    assert of_user(me.uid) == []


def of_user(uid: int) -> list[str]:
    """Command lines of its processes; those that have ended have none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if process.stat().st_uid == uid and (line := (process / "cmdline").read_bytes()):
                found.append(line.decode())
    return found


@pytest.mark.root
@pytest.mark.parametrize("file_format", ["qcow2", "vdi", "vmdk", "raw"])
def test_images_become_roots_and_readable_only(folder: Path, file_format: str) -> None:
    seen: list[users.User | None] = []
    real = bounded.run
    data = b"\0" * 512 if file_format == "raw" else test_images.make(folder, file_format)
    cache = images.ImageCache(folder / "cache", unprivileged=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images.bounded, "run", lambda words, bounds, user: seen.append(user) or real(words, bounds, user))
        base = cache.ensure_base(test_images.describe(data, file_format), lambda _id: [data])
    facts = base.path.stat()
    assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (0, 0, 0o644)
    assert stat.S_IMODE(base.path.parent.stat().st_mode) == 0o711
    assert None not in seen and 0 not in {each.uid for each in seen if each}
    assert len(seen) == {"qcow2": 2, "raw": 0}.get(file_format, 3)


@pytest.mark.root
def test_a_folder_says_whom_it_is_for(folder: Path) -> None:
    """Two of the same words, as two clouds could have by the rarest chance, are still two users."""
    made = [folder / name for name in ("a", "b", "c")]
    for each in made:
        each.mkdir()
    them = [users.of_folder(each, "guest", "same") for each in made]
    assert len(set(them)) == 3
    assert [users.of_folder(each, "guest", "other words now") for each in made] == them
    assert {stat.S_IMODE(each.stat().st_mode) for each in made} == {0o710}
    assert {each.stat().st_uid for each in made} == {0}


def test_users_follow_from_words() -> None:
    one = users.derived("guest", "cloud", "id")
    assert one == users.derived("guest", "cloud", "id") != users.derived("guest", "cloud2", "id")
    assert users.derived("a", "b") != users.derived("ab")
    assert one.uid == one.gid
    first, count = users.numbers()
    assert all(first <= users.derived(str(number)).uid < first + count for number in range(200))


def test_a_container_has_fewer_numbers(tmp_path: Path) -> None:
    few = tmp_path / "uid_map"
    few.write_text("         0     100000      65536\n")
    first, count = users.numbers(few)
    assert first >= 40_000 and first + count <= 60_001
    few.write_text("         0          0 4294967295\n")
    assert users.numbers(few) == (users.FIRST, users.COUNT)
    assert users.numbers(tmp_path / "missing") == (users.FIRST, users.COUNT)


def test_numbers_lie_outside_of_everybody_elses() -> None:
    """systemd's UIDS-GIDS.md: containers end before 0x70000000, foreign images begin at 0x7ffe0000."""
    assert users.FIRST >= 0x7000_0000 and users.FIRST + users.COUNT <= 0x7FFE_0000


def test_a_closed_folder_on_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a").chmod(0o750)
    found = users.closed(tmp_path / "a" / "b")
    assert found is not None and (found == tmp_path / "a" or found in tmp_path.parents or found == tmp_path)
    assert users.closed(Path("/usr/bin")) is None


def test_settings_of_a_libvirtd_of_ours(tmp_path: Path) -> None:
    text = Confinement("none", private_dev=True).settings()
    assert 'user = "root"' not in text and '"+0"' not in text
    assert {'namespaces = ["mount"]', "seccomp_sandbox = 1", "clear_emulator_capabilities = 1"} <= set(
        text.splitlines()
    )
    less = Confinement("apparmor", private_dev=False)
    assert {"namespaces = []", 'cgroup_controllers = ["devices"]', 'security_driver = "apparmor"'} <= set(
        less.settings().splitlines()
    )
    assert "host's /dev" in less.sentence() and "AppArmor" in less.sentence()
    assert "none" in Confinement("none", private_dev=True).sentence()


@pytest.mark.parametrize(("file", "text", "driver"), [
    ("module/apparmor/parameters/enabled", "Y\n", "apparmor"),
    ("module/apparmor/parameters/enabled", "N\n", "none"),
    ("fs/selinux/enforce", "1", "selinux"),
    ("kernel/x", "", "none"),
])  # fmt: skip
def test_the_hosts_own_confinement_is_found(tmp_path: Path, file: str, text: str, driver: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert confinement.find(tmp_path, tmp_path).driver == driver


def test_what_lies_below_a_disk_is_ours_to_say() -> None:
    base = images.BaseImage(Path("/images/base.raw"), "raw", 1 << 20)
    overlay = domain.Disk(Path("/i/disk"), "qcow2", below=base)
    place = domain.Place("o", Path("/i"), Path("/v/s"), users.User(7, 8))
    image = BootImage(id=spec().id, disk_format="raw", size=1, os_hash_value="0" * 128)
    text = domain.render(spec(image=image), place, domain.Boot([overlay]))
    below = '<format type="raw" /><source file="/images/base.raw" /><backingStore />'
    assert f'<backingStore type="file">{below}</backingStore>' in text
    assert '<seclabel type="static" model="dac" relabel="no"><label>+7:+8</label></seclabel>' in text


def test_a_folder_that_goes_meanwhile_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest is being removed while another one is given its user."""
    (tmp_path / "stays").mkdir()
    real = os.scandir

    class Going:
        """An entry of a folder that was just removed."""

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise FileNotFoundError

    class Listing:
        def __init__(self, path: Path) -> None:
            self._found = [Going(), *real(path)]

        def __enter__(self) -> list[object]:
            return self._found

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Listing)
    assert list(users._groups_in(tmp_path)) == [(tmp_path / "stays").stat().st_gid]
