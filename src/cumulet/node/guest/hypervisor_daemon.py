"""Makes sure that a libvirtd answers, and says where.

A libvirtd that is already running on the host is used as it is. Else one is started with our settings, which are
bind-mounted over the host's in a mount namespace of its own: /etc stays untouched, while sockets and domains lie where
`virsh` looks for them. A private daemon has its run, lib, cache, log and etc folders in the state folder instead, so
that several clouds live side by side. Must never stop a daemon that it did not start, and never a guest.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from cumulet.node.guest import confinement, subreap
from cumulet.node.guest.errors import HypervisorDown

LIBVIRTD = "/usr/sbin/libvirtd"
HOST_SOCKET = Path("/run/libvirt/libvirt-sock")
HOST_GUESTS = Path("/var/lib/libvirt/qemu")
START_S = 15.0

LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
listen_tls = 0
listen_tcp = 0
log_outputs = "3:stderr"
host_uuid = "{host_uuid}"
"""

# (folder of the private daemon below the state folder, its mode, folder of the host that it stands in for); guests'
# users pass through some of them to what libvirt keeps there for each guest.
PRIVATE_FOLDERS = (
    ("run", 0o711, "/run/libvirt"),
    ("lib", 0o711, "/var/lib/libvirt"),
    ("cache", 0o711, "/var/cache/libvirt"),
    ("log", 0o700, "/var/log/libvirt"),
    ("etc", 0o700, "/etc/libvirt"),
)


class HypervisorDaemon:
    """The libvirtd of this node. `state` is the node's folder; `private` gives it folders of its own."""

    def __init__(self, state: Path, *, private: bool = False, kvm: bool = False) -> None:
        self._folder = state / "libvirt"
        self._private = private
        self._kvm = kvm
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        self.problem: str | None = None

    @property
    def socket(self) -> Path:
        """The socket on which it answers, as this process sees it."""
        return self._folder / "run" / "libvirt-sock" if self._private else HOST_SOCKET

    @property
    def uri(self) -> str:
        """What libvirt clients open."""
        return f"qemu+unix:///system?socket={quote(str(self.socket))}"

    @property
    def qemu_log_folder(self) -> Path:
        """Where libvirt writes each guest's QEMU messages."""
        return (self._folder / "log" if self._private else Path("/var/log/libvirt")) / "qemu"

    @property
    def note(self) -> str:
        """How guests are held in here, in a sentence for ``status``."""
        if self.ours() is None and self.answers():
            return confinement.THE_HOSTS
        return self._confinement.sentence()

    @functools.cached_property
    def _confinement(self) -> confinement.Confinement:
        return confinement.find(self._folder)

    def answers(self) -> bool:
        """Whether somebody listens on the socket."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(str(self.socket))
                return True
        except OSError:
            return False

    def ours(self) -> int | None:
        """Process id of the daemon that this state folder started, when it lives."""
        try:
            pid = int((self._folder / "libvirtd.pid").read_text())
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        return pid if name == "libvirtd" else None

    def ensure(self) -> str:
        """The URI of a daemon that answers, starting one when none does. Raises HypervisorDown."""
        with self._lock:
            self._children = [child for child in self._children if child.poll() is None]
            if not self.answers():
                with self._alone():
                    self._start_unless_answering()
            if not self._private:
                self._let_guests_pass()
            self.problem = None
            return self.uri

    def purge(self) -> None:
        """End the daemon if we started it, and leave the host's folders as they were."""
        self.stop()
        with suppress(FileNotFoundError, ValueError):
            HOST_GUESTS.chmod(int(self._mode_before.read_text(), 8))
        self._mode_before.unlink(missing_ok=True)

    @property
    def _mode_before(self) -> Path:
        return self._folder / "guests-folder-mode"

    def _let_guests_pass(self) -> None:
        """Debian opens the folder in which each guest has one of libvirt's to the user of all guests only; ours, who
        are a user each, need to pass it. They cannot list it, and the folders in it stay closed."""
        try:
            mode = stat.S_IMODE(HOST_GUESTS.stat().st_mode)
        except FileNotFoundError:  # an older libvirt's is elsewhere
            return
        if not mode & 0o001:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._mode_before.write_text(f"{mode:o}\n")
            HOST_GUESTS.chmod(mode | 0o001)

    def stop(self) -> None:
        """End the daemon if we started it; its guests run on."""
        with self._lock:
            pid = self.ours()
            if pid is None:
                return
            _signal(pid, signal.SIGTERM)
            if not _wait(lambda: self.ours() is None, 5):
                _signal(pid, signal.SIGKILL)
                _wait(lambda: self.ours() is None, 2)
            (self._folder / "libvirtd.pid").unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes of one state folder must not both start a daemon."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start_unless_answering(self) -> None:
        if self.answers():
            return
        _wait(lambda: self.answers() or self.ours() is None, 5)
        stuck = self.ours()
        if stuck is not None and not self.answers():
            _signal(stuck, signal.SIGKILL)
            _wait(lambda: self.ours() is None, 2)
        if self.answers():
            return
        if not os.access(LIBVIRTD, os.X_OK):
            raise self._down("libvirtd is not installed", "Debian package libvirt-daemon-system")
        child = self._spawn()
        if not _wait(lambda: self.answers() or child.poll() is not None, START_S) or not self.answers():
            raise self._down("libvirtd does not start", self._last_words())

    def _spawn(self) -> subprocess.Popen[bytes]:
        binds = self._write_settings()
        # Python may be the node's own environment: the program is named by path and imports nothing of ours.
        command = [sys.executable, "-I", "-S", os.path.abspath(subreap.__file__)]
        command += ["--pid-file", str(self._folder / "libvirtd.pid")]
        command += ["--binds", json.dumps({"files": binds, "bare_dev": not self._kvm})]
        command += ["--", LIBVIRTD]
        if self._private:
            command += ["--pid-file", "/run/libvirt/libvirtd.pid"]
        log = self._folder / "libvirtd.log"
        if log.exists() and log.stat().st_size > 1 << 20:
            log.replace(log.with_suffix(".log.1"))
        with open(log, "ab") as out:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/"
            )
        self._children.append(child)
        return child

    def _write_settings(self) -> list[tuple[str, str]]:
        """Our configuration files, and which path of the host each of ours is mounted over."""
        etc = self._folder / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "qemu.conf").write_text(self._confinement.settings())
        (etc / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(host_uuid=self._host_uuid()))
        if not self._private:
            return [(str(etc / name), f"/etc/libvirt/{name}") for name in ("qemu.conf", "libvirtd.conf")]
        self._folder.chmod(0o700)  # what is mounted from it is passed by way of where it is mounted
        for name, mode, host in PRIVATE_FOLDERS:
            (self._folder / name).mkdir(exist_ok=True)
            (self._folder / name).chmod(mode)
            Path(host).mkdir(parents=True, exist_ok=True)
        return [(str(self._folder / name), host) for name, _mode, host in PRIVATE_FOLDERS]

    def _host_uuid(self) -> str:
        """Kept in the state folder: without dmidecode libvirt would make up another one at each start."""
        kept = self._folder / "host_uuid"
        if not kept.exists():
            kept.write_text(str(uuid.uuid4()))
        return kept.read_text().strip()

    def _last_words(self) -> str:
        try:
            return (self._folder / "libvirtd.log").read_text(errors="replace")[-500:]
        except OSError:
            return "no log"

    def _down(self, sentence: str, detail: str) -> HypervisorDown:
        self.problem = sentence
        return HypervisorDown("The host's hypervisor is not available.", f"{sentence}: {detail}")


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have just ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
