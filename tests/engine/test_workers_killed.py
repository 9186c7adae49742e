"""A process that works at a job is killed by the kernel's own means; another one takes the job over."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cumulet.db import Database, metadata
from cumulet.engine import Kind, Run, Workers, jobs
from cumulet.engine import tables as _tables  # noqa: F401 - makes them known
from tests.databases import KINDS, place
from tests.laws.source import ROOT

PROGRAM = """
import sys, time
from pathlib import Path
from cumulet.db import Database
from cumulet.engine import Kind, Workers
where, at = sys.argv[1:]
db = Database(where if where.startswith("postgresql") else Path(where), durable=False)

def work(run):
    if at == "outside":
        print("at it", flush=True)
        time.sleep(60)
    with run.held() if at == "held" else run.ending():
        print("at it", flush=True)
        time.sleep(60)

workers = Workers(lease_s=0.5)
workers.register(Kind("copy", work))
workers.run(db)
"""


@pytest.mark.parametrize("at", ["outside", "held", "ending"])
@pytest.mark.parametrize("kind", KINDS)
def test_another_process_goes_on(tmp_path: Path, kind: str, at: str) -> None:
    where = place(tmp_path / "db.sqlite", kind)
    db = Database(where, durable=False)
    metadata.create_all(db.engine)
    done: list[str] = []

    def work(run: Run) -> None:
        with run.ending():
            done.append(run.job.subject)

    heir = Workers(lease_s=0.5)
    heir.register(Kind("copy", work))
    with db.transaction() as tx:
        jobs.put(tx, "copy", "s", {})
    command = [sys.executable, "-c", PROGRAM, str(where), at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT / "src")}) as process:
        assert process.stdout is not None and process.stdout.readline() == b"at it\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    begun = time.monotonic()
    while not done:
        assert time.monotonic() < begun + 10, "nobody took over"
        heir.look(db)
        time.sleep(0.02)
    with db.read() as tx:
        assert jobs.find(tx, "copy", "s") is None
    assert done == ["s"]
    heir.stop()
    db.close()
