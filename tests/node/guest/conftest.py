"""Tests marked `root` run in a host of their own: fresh mount, network and process namespaces.

Each such test is started again inside `unshare`; when it ends, every process it started ends with it, so a failing
test leaves no daemon and no guest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = "CUMULET_TEST_INSIDE_GUEST_HOST"
UNSHARE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("root") is None or os.environ.get(INSIDE):
        return None
    if os.geteuid() != 0 or shutil.which("libvirtd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs root and libvirt")
    again = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-header", "-x", pyfuncitem.nodeid]
    done = subprocess.run(
        [*UNSHARE, *again], env={**os.environ, INSIDE: "1"}, cwd=pyfuncitem.config.rootpath,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.fail(done.stdout[-6000:] + done.stderr[-2000:], pytrace=False)
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a short path (socket names are limited to 107 bytes), empty again afterwards."""
    return tmp_path
