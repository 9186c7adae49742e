"""A PostgreSQL server of the tests' own, from Debian's package, and a new database for whoever asks.

The server is started when it is first asked for, in a temporary folder with a socket there (no TCP), as `postgres`
when the tests run as root; it ends with the tests. `CUMULET_TEST_DATABASE=postgresql` runs on it what runs on
SQLite otherwise.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from itertools import count
from pathlib import Path

import pytest

KINDS = ("sqlite", "postgresql")
_numbers = count(1)
_running: list[tuple[subprocess.Popen[bytes], Path]] = []


def bindir() -> Path | None:
    """Where the newest installed server's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    return found[-1].parent if found else None


@cache
def server() -> Path:
    """The folder of the socket of a running server. Skips the test where none is installed."""
    programs = bindir()
    if programs is None:
        pytest.skip("postgresql is not installed")
    folder = Path(tempfile.mkdtemp(prefix="cumulet-pg-", dir="/tmp"))
    user = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    folder.chmod(0o711)  # a cloud's controller runs as a user of its own
    data = folder / "data"
    made: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "cumulet",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    subprocess.run([*user, *made], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": "300",
        "shared_buffers": "32MB",
    }
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        user = user or ["setpriv"]
        dies = ["--pdeathsig=INT"]  # with the tests, however they end
        process = subprocess.Popen(
            [*user, *dies, programs / "postgres", "-D", data, *words], stderr=log, stdout=log, cwd=folder
        )
    _running.append((process, folder))
    _await(process, folder)
    return folder


@atexit.register
def end() -> None:
    """End the server, if there is one. pytest calls this, too: workers end without what `atexit` has."""
    while _running:
        _end(*_running.pop())
    server.cache_clear()


def _await(process: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(host=str(folder), user="cumulet", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.send_signal(signal.SIGINT)  # fast shutdown: who is connected is sent away
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def url() -> str:
    """The URL of a new, empty database."""
    import psycopg

    folder, name = server(), f"test{next(_numbers)}"
    with psycopg.connect(host=str(folder), user="cumulet", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://cumulet@/{name}?host={folder}"


def place(path: Path | str, kind: str | None = None) -> Path | str:
    """Where a test's store is: the file, or a new database of PostgreSQL; a URL is the place itself."""
    if isinstance(path, str):
        return path
    wanted = kind or os.environ.get("CUMULET_TEST_DATABASE", "sqlite")
    assert wanted in KINDS, wanted
    return path if wanted == "sqlite" else url()
