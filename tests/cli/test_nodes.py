"""The machine's own node and the link, with real processes: whatever is lost, it comes back without a person."""

from __future__ import annotations

import json
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.cli import link_client
from cumulet.cli.api_client import ApiError
from cumulet.desired.hosts import HostFacts
from cumulet.node.link import Link, LinkError
from tests.crash.living import HOSTS, LivingCloud, cumulet, living

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud() -> Iterator[LivingCloud]:
    with living({}) as made:
        yield made


def hosts_up(cloud: LivingCloud, since: str = "") -> int:
    """How many of the cloud's own hosts were heard after `since`."""
    try:
        found = link_client.get(cloud.settings, "status")["nodes"]
    except ApiError:
        return 0
    return sum(node["up"] and node["seen_at"] > since and node["host"].startswith("sim-") for node in found)


def now(cloud: LivingCloud) -> str:
    return max(str(node["seen_at"]) for node in link_client.get(cloud.settings, "status")["nodes"])


def kept(cloud: LivingCloud) -> dict[str, str]:
    file = cloud.settings.node_dir / "link.json"
    return {"link_id": "", "secret": "", **(json.loads(file.read_text()) if file.exists() else {})}


def kill(cloud: LivingCloud, *names: str) -> None:
    for name in names:
        assert cloud.signal(name, signal.SIGKILL)
    cloud.until(cloud.up, "both processes run again", 60)


def test_the_nodes_secret_is_its_own(cloud: LivingCloud) -> None:
    """Finding S18: one that no other process of the cloud was given, in a file that nobody else reads."""
    file = cloud.settings.node_dir / "link.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept(cloud)["secret"] not in {path.read_text(errors="replace").strip() for path in _secrets(cloud)}
    assert not (cloud.settings.secrets_dir / "link_secret").exists()


def _secrets(cloud: LivingCloud) -> list[Path]:
    return [path for path in cloud.settings.secrets_dir.rglob("*") if path.is_file()]


def test_a_node_that_is_killed_goes_on_with_its_secret(cloud: LivingCloud) -> None:
    before, at = kept(cloud), now(cloud)
    kill(cloud, "node")
    cloud.until(lambda: hosts_up(cloud, at) == HOSTS, "the hosts are heard again", 60)
    kill(cloud, "controller")
    cloud.until(lambda: hosts_up(cloud) == HOSTS, "the hosts are up", 60)
    assert kept(cloud) == before


@pytest.mark.parametrize("left", [None, b'{"link_id": "x", "secret": "old"}'], ids=["none", "an old copy"])
def test_a_node_that_has_lost_its_secret_is_the_same_node(cloud: LivingCloud, left: bytes | None) -> None:
    """Its folder was lost, or is put back from long ago."""
    before = kept(cloud)
    file = cloud.settings.node_dir / "link.json"
    file.write_bytes(left) if left is not None else file.unlink()
    kill(cloud, "node")
    cloud.until(lambda: kept(cloud)["secret"] not in ("", "old", before["secret"]), "the node has joined again", 60)
    after = kept(cloud)
    assert after["link_id"] == before["link_id"] and after["secret"] != before["secret"]
    thief = Link(cloud.settings.local_url("link"))
    (cloud.state / "old.json").write_text(json.dumps(before))
    with pytest.raises(LinkError, match="401"):
        Link(cloud.settings.local_url("link"), cloud.state / "old.json").heartbeat([])
    with pytest.raises(LinkError, match="401"):
        thief.join(cloud.settings.node_name, [], before["secret"])


def test_a_second_node_joins_by_a_token(cloud: LivingCloud, tmp_path: Path) -> None:
    """What `cumulet token` prints is good for one node, once, and nothing else is on its standard output."""
    done = cumulet(cloud.state, "token")
    assert done.returncode == 0 and "once, until" in done.stderr and len(done.stdout.split()) == 1
    link = Link(cloud.settings.local_url("link"), tmp_path / "link.json")
    link.join("second", [HostFacts(hostname="second", vcpus=1, memory_mb=1, disk_gb=1)], done.stdout.strip())
    link.heartbeat([])
    again = Link(cloud.settings.local_url("link"), tmp_path / "link.json")
    again.join("second", [])
    again.heartbeat([])
    assert (tmp_path / "link.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkError, match="401"):
        Link(cloud.settings.local_url("link")).join("third", [], done.stdout.strip())
    wrong = cumulet(cloud.state, "token", "a b")
    assert wrong.returncode == 1 and "a node's name has letters" in wrong.stderr and "Traceback" not in wrong.stderr


def test_a_controller_that_has_lost_its_memory_is_joined_anew(cloud: LivingCloud) -> None:
    """The database is gone, as after a restore of nothing: the node joins the new one by itself, holds, and its hosts
    come up when somebody has let go of what it kept."""
    before = kept(cloud)
    assert cumulet(cloud.state, "down").returncode == 0
    down = cumulet(cloud.state, "token")
    assert down.returncode == 1 and "is the cloud up?" in down.stderr
    shutil.rmtree(cloud.state / "db")
    done = cumulet(cloud.state, "up")
    assert (done.returncode, "its database is empty" in done.stdout + done.stderr) == (1, True), done.stdout
    done = cumulet(cloud.state, "forget", "--all", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    cloud.until(lambda: hosts_up(cloud) == HOSTS, "the hosts are up", 60)
    assert kept(cloud)["link_id"] != before["link_id"]
