"""Runs each file of ``inside/`` in network, mount and process namespaces of its own, as root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.again import FEW_PLUGINS, PYTEST

INSIDE = Path(__file__).parent / "inside"
FILES = sorted(path.name for path in INSIDE.glob("world_*.py"))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", FILES)
def test_world(name: str, tmp_path: Path) -> None:
    separate = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    pytest_run = [*PYTEST, "-p", "worldkit", "--basetemp", str(tmp_path / "t")]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [*separate, *pytest_run, str(INSIDE / name)],
        env={**os.environ, **FEW_PLUGINS, "CUMULET_PRIVATE_NETWORK": "1", "PYTHONPATH": f"{root / 'src'}:{INSIDE}"},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:]
