"""Tests marked `root` run in a host of their own: fresh mount, network and process namespaces.

Each such test is started again inside `unshare`; when it ends, every process it started ends with it, so a failing
test leaves no daemon and no guest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.again import FEW_PLUGINS, PYTEST
from tests.node.guest.real import Host

INSIDE = "CUMULET_TEST_INSIDE_GUEST_HOST"
UNSHARE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Out here such a test is an item without fixtures: these mount things, too. pytest asks this of tests in this
    folder only."""
    made = yield
    if os.environ.get(INSIDE) or not isinstance(made, list):
        return made
    return [OwnHost.of(item) if item.get_closest_marker("root") else item for item in made]


class OwnHost(pytest.Item):
    """A test that runs once more, in a host of its own."""

    @classmethod
    def of(cls, item: pytest.Item) -> OwnHost:
        made: OwnHost = cls.from_parent(item.parent, name=item.name)  # type: ignore[arg-type]
        made.own_markers.extend(item.own_markers)
        return made

    def runtest(self) -> None:
        if os.geteuid() != 0 or shutil.which("libvirtd", path="/usr/sbin:/usr/bin") is None:
            pytest.skip("needs root and libvirt")
        again = [*PYTEST, "--no-header", "-x", self.nodeid]
        with tempfile.TemporaryDirectory(prefix="cumulet-") as folder:  # removed when its mounts are gone with the host
            Path(folder).chmod(0o711)  # guests' users pass through it to what is theirs
            done = subprocess.run(
                [*UNSHARE, *again], env={**os.environ, **FEW_PLUGINS, INSIDE: folder}, cwd=self.config.rootpath,
                capture_output=True, text=True, timeout=240, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            pytest.fail(done.stdout[-6000:] + done.stderr[-2000:], pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


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


@pytest.fixture
def machine(folder: Path, own_mounts: Callable[..., None]) -> Generator[Host, None, None]:
    own_mounts("-t", "tmpfs", "tmpfs", "/run")
    host = Host(folder / "s")
    yield host
    host.parts.close()
    host.daemon.stop()
