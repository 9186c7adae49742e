"""PID 1 of a test machine: makes the place private, then reaps until it is told to end. Run as root under unshare."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PRIVATE = ("/run", "/var/log", "/var/cache/libvirt")
COPIED = ("/etc", "/var/lib")
"""Seen as they are outside; what is written stays inside."""


def sh(*words: str) -> None:
    subprocess.run(words, check=True)


def main(folder: str, name: str) -> None:
    place = Path(folder)
    sh("mount", "--make-rprivate", "/")
    sh("hostname", name)
    for path in COPIED:
        name_of = path.strip("/").replace("/", "_")
        upper, work = place / f"{name_of}.upper", place / f"{name_of}.work"
        upper.mkdir()
        work.mkdir()
        sh("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path)
    shutil.rmtree("/var/lib/cumulet", ignore_errors=True)  # a cloud outside is not seen in here
    subprocess.run(["userdel", "cumulet"], capture_output=True, check=False)
    for path in PRIVATE:
        mine = place / path.strip("/").replace("/", "_")
        mine.mkdir(mode=0o755)
        Path(path).mkdir(parents=True, exist_ok=True)
        sh("mount", "--bind", str(mine), path)
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    sh("ip", "link", "set", "lo", "up")
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    (place / "ready").write_text("")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.sigtimedwait([signal.SIGCHLD], 0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])
