"""Real processes under SIGKILL, with a hundred simulated hosts that are slow and fail, and users who do not wait.

Seeds: CUMULET_SEEDS=5 runs seeds 1 to 5, CUMULET_SEEDS=7,9 those; CUMULET_STORM_SECONDS is how long each lasts.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from cumulet.cli.api_client import ApiError
from tests.crash.living import LivingCloud, living
from tests.crash.test_chaos import seeds

SECONDS = float(os.environ.get("CUMULET_STORM_SECONDS", "20"))
USERS = 5
EXPECTED = {0, 403, 404, 409, 503}
"""Statuses that a user of a cloud under fire may see; 0 is no answer."""


class User(threading.Thread):
    """Does anything to any server, for `SECONDS`."""

    def __init__(self, cloud: LivingCloud, seed: str, floating: str) -> None:
        super().__init__(daemon=True)
        self.cloud, self.draw, self.floating = cloud, random.Random(seed), floating
        self.end = time.monotonic() + SECONDS
        self.asked = self.made = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while time.monotonic() < self.end:
            self.asked += 1
            try:
                self._turn()
            except ApiError as error:
                if error.code not in EXPECTED:
                    self.wrong.append(str(error))
                if error.code == 0:
                    time.sleep(0.1)
            except Exception as error:
                self.wrong.append(repr(error))
            time.sleep(self.draw.random() * 0.1)

    def _turn(self) -> None:
        demo, draw = self.cloud.demo, self.draw
        known = demo.request("GET", "compute", "/servers")["servers"]
        if len(known) < 20 or (len(known) < 60 and draw.random() < 0.4):
            count = draw.choice((1, 1, 3))
            self.cloud.create(f"storm-{draw.randrange(10**6)}", min_count=count)
            self.made += count
            return
        server = draw.choice(known)["id"]
        what = draw.choice(("delete", "delete", "reboot", "os-stop", "os-start", "floating"))
        if what == "delete":
            demo.request("DELETE", "compute", f"/servers/{server}")
        elif what == "floating":
            ports = demo.request("GET", "network", f"/ports?device_id={server}")["ports"]
            body = {"floatingip": {"port_id": ports[0]["id"] if ports else None}}
            demo.request("PUT", "network", f"/floatingips/{self.floating}", body)
        else:
            arguments = {"type": draw.choice(("SOFT", "HARD"))} if what == "reboot" else None
            demo.request("POST", "compute", f"/servers/{server}/action", {what: arguments})


def kill_at_random(cloud: LivingCloud, draw: random.Random) -> int:
    """Kill and freeze the controller and the node for `SECONDS`; how many were killed."""
    end, kills = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        time.sleep(draw.uniform(0.2, 2.0))
        for name in draw.choice((["controller"], ["node"], ["controller", "node"])):
            kills += cloud.signal(name, signal.SIGKILL)
        if draw.random() < 0.2 and cloud.signal("node", signal.SIGSTOP):
            time.sleep(draw.uniform(0.5, 2.0))
            cloud.signal("node", signal.SIGCONT)
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds())
def test_a_storm(seed: int) -> None:
    script = {"seed": seed, "boot_s": 0.2, "stop_s": 0.1, "delete_s": 0.2, "fail_boot": 0.2, "fail_delete": 0.2}
    deadlines = {f"CUMULET_{what}_SECONDS": "8" for what in ("CREATE", "DELETE", "POWER")}
    with living(script, **deadlines) as cloud:
        body = {"floatingip": {"floating_network_id": cloud.provider}}
        floating = cloud.demo.request("POST", "network", "/floatingips", body)["floatingip"]["id"]
        users = [User(cloud, f"{seed}-{number}", floating) for number in range(USERS)]
        for user in users:
            user.start()
        kills = kill_at_random(cloud, random.Random(seed))
        for user in users:
            user.join(60)
        asked, made = sum(user.asked for user in users), sum(user.made for user in users)
        cloud.until(cloud.up, "both processes are back", 60)
        cloud.at_rest()
        left = cloud.servers()
        print(f"\nseed {seed}: {asked} requests, {made} servers made, {kills} kills, {len(left)} left")
        assert [line for user in users for line in user.wrong] == []
        assert {server["status"] for server in left} <= {"ACTIVE", "SHUTOFF", "ERROR"}
        cloud.delete_all()
        cloud.at_rest()
        assert list((cloud.settings.node_dir / "world").iterdir()) == []
        assert kills > 3 and made > 10
