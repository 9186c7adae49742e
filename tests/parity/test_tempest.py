"""The bounded part of OpenStack's own suite that must always pass: ``tempest-ids.txt``, one exact id a line.

`./cumulet test` makes the environment that Tempest is in (``requirements-tempest.lock``) and names it in
CUMULET_TEMPEST_ENV; without the launcher the test is left out. The cloud is one of simulated hosts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.config import Settings
from tests.assembled import KEYSTONES_LETTER
from tests.crash.living import cumulet
from tests.parity.workspace import Workspace, configuration, govern
from tests.ports import free_ports

IDS = Path(__file__).with_name("tempest-ids.txt").read_text().split()
ENVIRONMENT = os.environ.get("CUMULET_TEMPEST_ENV")

pytestmark = pytest.mark.skipif(not ENVIRONMENT, reason="needs Tempest: ./cumulet test tests/parity")


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A cloud of three hosts; nothing is left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cumulet-parity-", dir="/var/tmp"))
    folder.chmod(0o755)  # with root the controller is another user, who passes through it
    state = folder / "state"
    try:
        done = cumulet(state, "up", "--simulated", "3", "--port-base", str(free_ports(9)))
        assert done.returncode == 0, done.stdout + done.stderr
        yield Settings.load(state)
    finally:
        cumulet(state, "down", "--purge")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def workspace(settings: Settings, tmp_path: Path) -> Workspace:
    return Workspace(Path(str(ENVIRONMENT)), tmp_path, configuration(settings, tmp_path))


def bad(ids: list[str], statuses: dict[str, str]) -> list[str]:
    """A line for each test that did not pass, whatever the reason."""
    return [f"{statuses.get(name, 'did not run')}: {name}" for name in ids if statuses.get(name) != "success"]


def passes(workspace: Workspace, ids: list[str]) -> None:
    statuses, said = workspace.run(ids)
    found = bad(ids, statuses)
    assert not found, "\n".join([f"{len(found)} of {len(ids)} did not pass:", *found, "", said])


def test_every_listed_test_passes(settings: Settings, workspace: Workspace) -> None:
    """By Keystone's letter, which the suite is written for: whoever has the role admin administers the cloud."""
    assert len(IDS) == len(set(IDS)) > 150
    govern(settings, KEYSTONES_LETTER)
    passes(workspace, IDS)


def test_those_of_identity_pass_under_the_default_rules_too(settings: Settings, workspace: Workspace) -> None:
    """The accounts that the suite makes are of the first domain, whose administrators are the cloud's."""
    govern(settings, "")
    passes(workspace, [name for name in IDS if name.startswith("tempest.api.identity.")])


def test_a_test_that_is_missing_skipped_or_failing_is_seen(workspace: Workspace) -> None:
    """The judge is judged: with ids that are not there, that a switch leaves out, and that cannot pass."""
    conf = workspace.folder / "tempest.conf"
    discovery = "tempest.api.identity.v3.test_api_discovery.TestApiDiscovery"
    passing = next(name for name in IDS if name.startswith(f"{discovery}.test_api_media_types["))
    rules = next(name for name in IDS if ".test_access_rules." in name)
    failing = next(name for name in IDS if ".TestVersions.test_list_api_versions[" in name)
    missing = f"{discovery}.test_nothing[id-00000000-0000-0000-0000-000000000000]"
    text = conf.read_text().replace("access_rules = True", "access_rules = False")
    conf.write_text(text.replace("[compute]\n", "[compute]\ncatalog_type = not-there\n"))
    ids = [passing, rules, failing, missing]
    statuses, said = workspace.run(ids)
    assert bad(ids, statuses) == [
        f"did not run: {rules}",
        f"{statuses.get(failing, 'did not run')}: {failing}",
        f"did not run: {missing}",
    ]
    assert "SKIPPED" in said
    assert "Traceback" in said
