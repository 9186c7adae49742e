"""Tests marked `root` run in a host of their own: fresh mount, network and process namespaces.

Each such test is started again inside `unshare`; when it ends, every process it started ends with it, so a failing
test leaves no daemon and no guest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

INSIDE = "CUMULET_TEST_INSIDE_GUEST_HOST"
UNSHARE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Not even the fixtures of such a test may run out here: they mount things."""
    if item.get_closest_marker("root") is None or os.environ.get(INSIDE):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    call = pytest.CallInfo.from_call(lambda: _run_inside(item), when="call")
    report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run_inside(item: pytest.Item) -> None:
    if os.geteuid() != 0 or shutil.which("libvirtd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs root and libvirt")
    again = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--no-header", "-x", item.nodeid]
    with tempfile.TemporaryDirectory(prefix="cumulet-") as folder:  # removed when its mounts are gone with the host
        done = subprocess.run(
            [*UNSHARE, *again], env={**os.environ, INSIDE: folder}, cwd=item.config.rootpath,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        pytest.fail(done.stdout[-6000:] + done.stderr[-2000:], pytrace=False)


@pytest.fixture
def own_mounts() -> Callable[..., None]:
    """`mount` with these arguments, never outside of the test's own host: there this process is the first one."""

    def mount(*arguments: str) -> None:
        assert os.getpid() == 1, "would change the mounts of the real host"
        subprocess.run(["mount", *arguments], check=True)

    return mount


@pytest.fixture
def folder() -> Path:
    """The test's folder, with a short path: the path of a socket in it has 107 bytes at most."""
    return Path(os.environ[INSIDE])
