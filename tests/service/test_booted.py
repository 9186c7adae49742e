"""`service install` in a machine that boots: the cloud comes with it, goes with it, and is as it was afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.reach import passable
from tests.service.booted import REPO, Booted, until

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif("CUMULET_TEST_BOOT" not in os.environ, reason="boots a machine: CUMULET_TEST_BOOT=1"),
]
STATE = "/var/lib/a cloud"
UNIT = "cumulet-a-cloud.service"
ASK = """
import time
from pathlib import Path
from cumulet.cli.api_client import Session
password = Path("STATE/secrets/demo_password").read_text().strip()
session = Session("http://127.0.0.1:5000", "demo", password, "RegionOne")
def servers():
    found = session.request("GET", "compute", "/servers/detail")["servers"]
    return {one["name"]: one["status"] for one in found}
def create(name):
    image = session.named("image", "images", "cirros")["id"]
    flavor = session.request("GET", "compute", "/flavors")["flavors"][0]["id"]
    network = session.named("network", "networks", "selfservice")["id"]
    body = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}]}
    return session.request("POST", "compute", "/servers", {"server": body})["server"]["id"]
def become(**wanted):
    end = time.monotonic() + 60
    while servers() != wanted:
        assert time.monotonic() < end, servers()
        time.sleep(0.2)
""".replace("STATE", STATE)


class Cloud:
    """The cloud of a machine, by its command line and its APIs."""

    def __init__(self, machine: Booted) -> None:
        self.machine = machine

    def __call__(self, *words: str) -> str:
        done = self.machine(str(REPO / "cumulet"), *words, "--state", STATE, timeout=240)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.journal()}"
        return done.stdout + done.stderr

    def ask(self, code: str) -> str:
        """What Python prints, in the machine, with a session of the user demo."""
        done = self.machine("env", f"PYTHONPATH={REPO}/src", sys.executable, "-c", ASK + code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def journal(self) -> str:
        return self.machine("journalctl", "--unit", UNIT, "--lines", "40").stdout

    def active(self) -> str:
        return self.machine("systemctl", "is-active", UNIT).stdout.strip()

    def pid(self) -> int:
        return int(self.machine("systemctl", "show", "-P", "MainPID", UNIT).stdout)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("booted")
    passable(folder)
    machine = Booted(folder)
    machine.boot()
    try:
        yield Cloud(machine)
    finally:
        machine.end(cut=True)
        subprocess.run(["rm", "-rf", str(machine.root)], check=True)


def test_the_unit_is_installed_twice_and_takes_over(cloud: Cloud) -> None:
    cloud("up", "--simulated", "2")
    cloud.ask("create('runs'); off = create('stopped'); become(runs='ACTIVE', stopped='ACTIVE')\n"
              "session.request('POST', 'compute', f'/servers/{off}/action', {'os-stop': None})\n"
              "become(runs='ACTIVE', stopped='SHUTOFF')")  # fmt: skip
    assert "started by hand" in cloud("service", "install")
    assert "is as it should be" in cloud("service", "install")
    assert cloud.active() == "active"
    assert "enabled, active" in cloud("service", "status")
    assert "already up" in cloud("up")
    verified = cloud.machine("systemd-analyze", "verify", f"/etc/systemd/system/{UNIT}")
    assert UNIT not in verified.stderr, verified.stderr


def test_a_killed_supervisor_is_started_again(cloud: Cloud) -> None:
    before = cloud.pid()
    cloud.machine("kill", "-9", str(before))
    until(lambda: cloud.active() == "active" and cloud.pid() not in (0, before), "another supervisor", 120)
    cloud.ask("become(runs='ACTIVE', stopped='SHUTOFF')")


def test_down_by_hand_and_up_by_hand_are_the_units(cloud: Cloud) -> None:
    cloud("down")
    until(lambda: cloud.active() == "inactive", "the end of the unit")
    assert cloud.machine("sh", "-c", f"sleep 7; systemctl is-active {UNIT}").stdout.strip() == "inactive"
    assert f"systemctl start {UNIT}" in cloud("up")
    assert cloud.active() == "active"
    assert cloud.machine("systemctl", "stop", UNIT).returncode == 0
    assert "guests run on" in cloud.journal()
    assert cloud.machine("systemctl", "start", UNIT).returncode == 0
    cloud.ask("become(runs='ACTIVE', stopped='SHUTOFF')")


@pytest.mark.parametrize("cut", [False, True], ids=["poweroff", "power-cut"])
def test_the_machine_goes_and_comes(cloud: Cloud, cut: bool) -> None:
    cloud.machine.end(cut=cut)
    cloud.machine.boot()
    until(lambda: cloud.active() == "active", "the cloud", 120)
    if not cut:
        said = cloud.machine("journalctl", "--unit", UNIT).stdout
        assert "The machine goes down" in said
    cloud.ask("become(runs='ACTIVE', stopped='SHUTOFF')")


def test_a_purged_cloud_leaves_no_unit(cloud: Cloud) -> None:
    cloud("down", "--purge")
    assert cloud.machine("test", "-e", f"/etc/systemd/system/{UNIT}").returncode == 1
    assert cloud.machine("systemctl", "cat", UNIT).returncode != 0
