"""Runs one daemon and takes in the orphans it leaves: ``subreap.py [--pid-file F] [--binds JSON] -- command ...``.

Libvirt's guests are orphans on purpose (they outlive libvirtd). Whoever adopts them must reap them at once, else a
killed guest stays a zombie and libvirt waits for it, up to two seconds under a lazy init. So this process adopts
(PR_SET_CHILD_SUBREAPER), forwards signals to the daemon, and ends only when its last descendant has ended: guests
that outlive the daemon keep their reaper.

With `--binds` it first enters a mount namespace of its own: {"files": [[from, to], ...], "bare_dev": bool}. The host's
own files stay untouched. `bare_dev` gives a /dev without kvm.

Must import nothing but the standard library, and must never end before its children.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys
from contextlib import suppress

_SUBREAPER = 36
_NEWNS = 0x00020000
_BIND, _REC, _SLAVE, _NOSUID = 4096, 16384, 1 << 19, 2
_DEVICES = (
    "null", "zero", "full", "random", "urandom", "tty", "fuse", "vhost-net", "pts", "shm", "net", "hugepages", "log",
)  # fmt: skip
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> int:
    """Run the command given after `--`; the exit code is the command's (128 + signal when it was killed)."""
    split = arguments.index("--")
    options = dict(zip(arguments[0:split:2], arguments[1:split:2], strict=True))
    command = arguments[split + 1 :]
    if "--binds" in options:
        private_mounts(json.loads(options["--binds"]))
    _libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    child = _start(command)
    for number in _FORWARDED:
        signal.signal(number, lambda got, _frame: _forward(child, got))
    if "--pid-file" in options:
        _write_pid(options["--pid-file"], child)
    return _reap(child)


def private_mounts(wanted: dict[str, object]) -> None:
    """A mount namespace of our own: mounts of the host still come in, ours never get out."""
    if _libc.unshare(_NEWNS) != 0:
        _fail("unshare")
    _mount("none", "/", "", _REC | _SLAVE)
    if wanted.get("bare_dev"):
        _bare_dev()
    for source, target in wanted.get("files", []):  # type: ignore[attr-defined]
        _mount(source, target, "", _BIND | _REC)


def _bare_dev() -> None:
    """Replace /dev by a tmpfs holding what QEMU needs, bound from the old one; kvm is not among it."""
    old = os.open("/dev", os.O_RDONLY | os.O_DIRECTORY)
    _mount("tmpfs", "/dev", "tmpfs", _NOSUID, "mode=755,size=1m")
    for name in _DEVICES:
        source = f"/proc/self/fd/{old}/{name}"
        if not os.path.exists(source) or os.path.islink(source):
            continue
        if os.path.isdir(source):
            os.mkdir(f"/dev/{name}")
        else:
            os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(source, f"/dev/{name}", "", _BIND | _REC)
    _make_ptmx()
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")
    os.close(old)


def _make_ptmx() -> None:
    """The one that every user may open: the other, in /dev/pts, is closed to all but root unless mounted otherwise."""
    mask = os.umask(0)
    try:
        os.mknod("/dev/ptmx", stat.S_IFCHR | 0o666, os.makedev(5, 2))
    except PermissionError:  # inside a user namespace, where nobody makes devices
        os.symlink("pts/ptmx", "/dev/ptmx")
    finally:
        os.umask(mask)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    if _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None) != 0:
        _fail(f"mount {target}")


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def _start(command: list[str]) -> int:
    child = os.fork()
    if child == 0:
        os.umask(0o022)  # libvirt relies on it for folders that guests' users must pass
        try:
            os.execv(command[0], command)
        except OSError as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
        os._exit(127)
    return child


def _write_pid(path: str, pid: int) -> None:
    fresh = f"{path}.{os.getpid()}"
    with open(fresh, "w") as out:
        out.write(f"{pid}\n")
    os.rename(fresh, path)


def _forward(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def _reap(child: int) -> int:
    code = 0
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        except ChildProcessError:
            return code
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code
            for number in _FORWARDED:  # the daemon's pid may be reused from here on
                signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
