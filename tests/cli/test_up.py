"""`up`, `status`, `explain` and `down` as a user types them, with stand-ins for what they start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cumulet.cli.api_client import Session
from cumulet.config import Settings
from tests.e2e.machine import Machine
from tests.ports import free_ports

SCRIPT = str(Path(__file__).with_name("cloud_with_fakes.py"))


class Cloud:
    """A state folder and a way to type commands at it."""

    def __init__(self, state: Path, python: str = sys.executable, **env: str) -> None:
        self.state = state
        self.python = python
        self.env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")} | env
        self.base = free_ports(9)
        self.inside: Callable[[list[str]], list[str]] = list

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, SCRIPT, *words, "--state", str(self.state)]
        command = self.inside(command)
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def up(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self("up", "--simulated", "3", "--port-base", str(self.base), *words)

    def ok(self, *words: str) -> str:
        done = self.up() if words == ("up",) else self(*words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout + done.stderr

    def settings(self) -> Settings:
        return Settings.load(self.state)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    found = Cloud(tmp_path / "state")
    yield found
    found("down")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_up_leaves_what_a_first_user_wants(cloud: Cloud) -> None:
    text = cloud.ok("up")
    assert "The cloud is up" in text
    assert f"http://127.0.0.1:{cloud.base}/v3" in text
    settings = cloud.settings()
    password = settings.secret("admin_password")
    assert password not in text
    assert password in (cloud.state / "admin-openrc").read_text()
    for name in ("admin-openrc", "demo-openrc", "clouds.yaml"):
        assert mode(cloud.state / name) == 0o600
    assert mode(settings.secrets_dir) == 0o700
    assert {mode(path) for path in settings.secrets_dir.iterdir()} == {0o600}
    assert (mode(settings.log_dir), mode(settings.log_dir / "controller.log")) == (0o750, 0o600)
    admin = Session(settings.local_url("identity"), "admin", password, "RegionOne")
    flavors = admin.request("GET", "compute", "/flavors/detail")["flavors"]
    assert {"m1.nano", "m1.tiny", "m1.micro", "m1.xlarge"} < {flavor["name"] for flavor in flavors}
    image = admin.named("image", "images", "cirros")
    assert image
    assert (image["status"], image["size"]) == ("active", 1024 * 1024)
    networks = admin.request("GET", "network", "/networks")["networks"]
    assert [network["name"] for network in networks] == ["provider", "selfservice"]
    subnet = admin.named("network", "subnets", "provider")
    assert subnet
    assert subnet["allocation_pools"] == [{"start": "172.24.4.100", "end": "172.24.4.250"}]
    assert len(admin.request("GET", "network", "/ports")["ports"]) == 1


def test_up_again_says_so_and_changes_nothing(cloud: Cloud) -> None:
    cloud.ok("up")
    before = (cloud.state / "run" / "supervisor.pid").read_text()
    done = cloud.up("--region", "Elsewhere")
    assert done.returncode == 0
    assert "is already up" in done.stderr
    assert "to change region" in done.stderr
    assert (cloud.state / "run" / "supervisor.pid").read_text() == before
    assert cloud.settings().region == "RegionOne"


def test_two_at_once_make_one_cloud(cloud: Cloud) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: cloud.up(), range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert sorted("already up" in done.stderr for done in (first, second)) == [False, True]
    log = (cloud.state / "log" / "supervisor.log").read_text()
    assert log.count("controller started") == 1


def test_down_and_up_keep_the_secrets(cloud: Cloud) -> None:
    cloud.ok("up")
    password = cloud.settings().secret("demo_password")
    assert "stop the cloud" in cloud.ok("down")
    assert cloud("status").returncode == 3
    assert "down already" in cloud.ok("down")
    cloud.ok("up")
    assert cloud.settings().secret("demo_password") == password


def test_status_shows_processes_endpoints_and_problems(cloud: Cloud) -> None:
    cloud.ok("up")
    assert "No problems." in cloud.ok("status")
    found = json.loads(cloud.ok("status", "--json"))
    assert [row["name"] for row in found["processes"]] == ["supervisor", "controller", "node"]
    assert all(row["pss_kb"] > 0 for row in found["processes"])
    assert len(found["endpoints"]) == 9
    assert all(endpoint["answers"] for endpoint in found["endpoints"])
    os.kill(found["processes"][1]["pid"], signal.SIGSTOP)
    try:
        done = cloud("status", "--json")
    finally:
        os.kill(found["processes"][1]["pid"], signal.SIGCONT)
    assert done.returncode == 1
    assert any("identity does not answer" in problem for problem in json.loads(done.stdout)["problems"])


def test_explain_prints_a_timeline(cloud: Cloud) -> None:
    cloud.ok("up")
    text = cloud.ok("explain", "server-1")
    assert "h1: RAM" in text
    assert "server server-1 (1)" in text
    assert "waits for nothing" in text
    assert "nothing named other" in cloud("explain", "other").stderr
    cloud.ok("down")
    assert "is the cloud up?" in cloud("explain", "server-1").stderr


@pytest.mark.parametrize("role", ["controller", "node"])
def test_a_failed_up_says_why_and_leaves_nothing_running(cloud: Cloud, role: str) -> None:
    (cloud.state / "cache").mkdir(parents=True)
    (cloud.state / ".cumulet").write_text("This folder is a Cumulet state folder (format 1).\n")
    (cloud.state / "cache" / f"break-{role}").touch()
    done = cloud.up()
    assert done.returncode == 1
    assert f"{role}: broken on purpose" in done.stderr
    assert "Stopped again" in done.stderr
    assert cloud("status").returncode == 3
    (cloud.state / "cache" / f"break-{role}").unlink()
    cloud.ok("up")


def test_a_port_in_use_is_named_before_anything_starts(cloud: Cloud) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cloud.base + 3))
        taken.listen()
        done = cloud.up()
    assert done.returncode == 1
    assert f"port {cloud.base + 3} (compute)" in done.stderr
    assert "--port-base" in done.stderr


def test_purge_takes_everything(cloud: Cloud) -> None:
    cloud.ok("up")
    pids = [row["pid"] for row in json.loads(cloud.ok("status", "--json"))["processes"]]
    cloud.ok("down", "--purge")
    assert not cloud.state.exists()
    assert not any(Path(f"/proc/{pid}").exists() and not zombie(pid) for pid in pids)
    assert "There is no cloud" in cloud.ok("down", "--purge")


def zombie(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_up_waits_for_a_purge_and_makes_a_new_cloud(cloud: Cloud) -> None:
    cloud.ok("up")
    before = cloud.settings().secret("admin_password")
    with ThreadPoolExecutor(2) as pool:
        purge = pool.submit(cloud, "down", "--purge")
        time.sleep(0.1)
        again = pool.submit(cloud.up)
        assert purge.result().returncode == 0
        assert again.result().returncode == 0
    if cloud.state.exists():
        assert cloud.settings().secret("admin_password") != before


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    cloud = Cloud(tmp_path)
    assert "not a Cumulet state folder" in cloud.up().stderr
    assert "not a Cumulet state folder" in cloud("down", "--purge").stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_link_to_a_state_folder_is_not_purged(cloud: Cloud, tmp_path: Path) -> None:
    cloud.ok("up")
    (tmp_path / "link").symlink_to(cloud.state)
    other = Cloud(tmp_path / "link")
    assert other("down", "--purge").returncode == 1
    assert cloud.state.is_dir()


def test_a_simulated_cloud_does_not_turn_real(cloud: Cloud) -> None:
    cloud.ok("up")
    cloud.ok("down")
    for words in ((), ("--simulated",)):
        cloud.ok("up", "--region", "RegionOne", *words)
        assert cloud.settings().simulated == 3
        cloud.ok("down")


def test_a_real_cloud_does_not_turn_simulated(cloud: Cloud) -> None:
    cloud.ok("up")
    cloud.ok("down")
    file = cloud.settings().file
    file.write_text(file.read_text().replace("simulated = 3", ""))
    assert "has a real hypervisor" in cloud.up().stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_the_apis_run_as_a_user_without_rights() -> None:
    """The whole way: the system user, his folders, and a purge that leaves neither folder nor user. On a machine of
    its own: users are the whole machine's."""
    with Machine("cli") as machine:
        cloud = Cloud(Path("/var/lib/state"), "/usr/bin/python3", CUMULET_TEST_USER="1")
        cloud.inside = machine.command
        cloud.ok("up")
        rows = json.loads(cloud.ok("status", "--json"))["processes"]
        owners = {row["name"]: machine.run("stat", "-c", "%U", f"/proc/{row['pid']}").stdout.strip() for row in rows}
        assert owners == {"supervisor": "root", "controller": "cumulet", "node": "cumulet"}

        def owner(name: str) -> str:
            return machine.run("stat", "-c", "%U", f"/var/lib/state/{name}").stdout.strip()

        assert [owner(name) for name in ("secrets/admin_password", "log", "run")] == ["cumulet", "root", "root"]
        cloud.ok("down", "--purge")
        left = machine.run("sh", "-c", "ls -d /var/lib/state; getent passwd cumulet", check=False).stdout
        assert left == ""


def test_a_start_state_may_come_first_and_is_checked_before_anything_starts(cloud: Cloud) -> None:
    cloud.state.mkdir()
    (cloud.state / "simulated.json").write_text('{"fail_bot": 1}')
    done = cloud.up()
    assert done.returncode == 1
    assert "simulated.json: no setting fail_bot; did you mean fail_boot?" in done.stderr
    (cloud.state / "simulated.json").write_text('{"fail_boot": 1}')
    cloud.ok("up")
