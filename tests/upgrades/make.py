"""``python -m tests.upgrades.make CHECKOUT NAME``: a cloud of another commit, filled, ended and packed for the tests.

CHECKOUT is a work tree of that commit whose dependencies this environment has. Two archives are written beside this
file, one for each database: the state folder, the rows as SQL, and what the lists answered.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from cumulet.config import Settings
from tests import databases
from tests.upgrades import things

HERE = Path(__file__).parent
PORTS = int(os.environ.get("CUMULET_TEST_PORTS", "22500"))
LEFT_OUT = {"log", "run", "cache", "db", "images-cache", "images-staging", ".lock"}


def cumulet(source: Path, state: Path, *words: str, url: str | None = None) -> None:
    """A verb of the checkout."""
    env = os.environ | {"PYTHONPATH": str(source / "src")}
    env |= {"CUMULET_DATABASE_URL": url} if url else {}
    command = [sys.executable, "-m", "cumulet.cli.main", *words, "--state", str(state)]
    subprocess.run(command, env=env, cwd="/", check=True)


def make(source: Path, name: str, kind: str) -> Path:
    """Make the cloud, fill it, record it and pack it."""
    folder = Path(tempfile.mkdtemp(prefix="cumulet-made-", dir="/tmp"))
    folder.chmod(0o755)
    state = folder / "state"
    url = databases.url() if kind == "postgresql" else None
    try:
        cumulet(source, state, "up", "--simulated", "2", "--port-base", str(PORTS), url=url)
        settings = Settings.load(state)
        things.fill(settings)
        time.sleep(2)  # the world's last reports
        (state / "answers.json").write_text(json.dumps(things.answers(settings), indent=1))
        cumulet(source, state, "down")
        (state / "rows.sql").write_text(_rows(state, url))
        return _packed(state, HERE / f"{name}-{kind}.tar.gz")
    finally:
        if state.exists():
            cumulet(source, state, "down")
        shutil.rmtree(folder, ignore_errors=True)


def _rows(state: Path, url: str | None) -> str:
    if url is None:
        return "\n".join(sqlite3.connect(state / "db" / "cumulet.sqlite").iterdump())
    dump = ["pg_dump", "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=100", url]
    return subprocess.run(dump, check=True, capture_output=True, text=True).stdout


def _packed(state: Path, target: Path) -> Path:
    (state / "secrets" / "database_url").unlink(missing_ok=True)
    with gzip.GzipFile(target, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(state.iterdir()):
            if path.name not in LEFT_OUT:
                archive.add(path, path.name)
    return target


if __name__ == "__main__":
    for each in databases.KINDS:
        made = make(Path(sys.argv[1]), sys.argv[2], each)
        print(made, made.stat().st_size)
