"""A hundred simulated hosts, a user who does anything at any time, processes that die at any instant; by seeds.

The hosts fail some boots and deletes. Afterwards the cloud must come to rest with nothing stuck, leaked or doubled,
and deleting everything must leave nothing. More seeds: CUMULET_SEEDS=5 runs seeds 1 to 5, CUMULET_SEEDS=7,9 those.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.node.simulation import Script
from tests.crash import operations
from tests.crash.consistency import disagreements
from tests.crash.mortal import WIRE, ConnectionLost, Killed, MortalCloud, install
from tests.crash.operations import Lab, furnish, listed

HOSTS = 100
TURNS = 60


def seeds(default: str = "1") -> list[int]:
    """The seeds to run."""
    text = os.environ.get("CUMULET_SEEDS", default)
    return [int(part) for part in text.split(",")] if "," in text else list(range(1, int(text) + 1))


class User:
    """Asks for anything, at random; knows nothing of who died."""

    def __init__(self, cloud: MortalCloud, lab: Lab, draw: random.Random) -> None:
        self.cloud, self.lab, self.draw = cloud, lab, draw
        self.asked = 0

    def turn(self) -> None:
        """One request, of whatever kind."""
        self.asked += 1
        known = listed(self.cloud)
        if not known or (len(known) < 8 and self.draw.random() < 0.4):
            body = operations.body(self.lab, min_count=self.draw.choice((1, 1, 2)))
            self._ask("POST", "compute", "/v2.1/servers", body, (202, 403))
            return
        server = self.draw.choice(known)
        path = f"/v2.1/servers/{server['id']}"
        what = self.draw.choice(("delete", "reboot", "os-stop", "os-start", "floating", "nowhere"))
        if what == "delete":
            self._ask("DELETE", "compute", path, None, (204, 404))
        elif what == "floating":
            _, answer = self.cloud.request("GET", "network", f"/v2.0/ports?device_id={server['id']}")
            for port in answer["ports"][:1]:
                self._float(port["id"])
        elif what == "nowhere":
            self._float(None)
        else:
            arguments = {"type": self.draw.choice(("SOFT", "HARD"))} if what == "reboot" else None
            self._ask("POST", "compute", path + "/action", {what: arguments}, (202, 404, 409))

    def _float(self, port: str | None) -> None:
        path = f"/v2.0/floatingips/{self.lab.floating}"
        self._ask("PUT", "network", path, {"floatingip": {"port_id": port}}, (200, 404, 409))

    def _ask(self, method: str, service: str, path: str, body: object, allowed: tuple[int, ...]) -> None:
        status, answer = self.cloud.request(method, service, path, body)
        assert status in allowed, (method, path, status, answer)


@pytest.fixture
def patched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        yield


@pytest.mark.parametrize("seed", seeds())
def test_anything_at_any_time(patched: None, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    cloud = MortalCloud(tmp_path / "state", HOSTS, Script(seed=seed, fail_boot=0.3, fail_delete=0.3))
    user = User(cloud, furnish(cloud), draw)
    deaths = 0
    for _ in range(TURNS):
        cloud.revive()
        cloud.together = draw.random() < 0.2
        with WIRE.arm(draw.randint(1, 250)):
            try:
                user.turn()
                for _ in range(draw.randint(0, 3)):
                    cloud.step()
                    if draw.random() < 0.1 and cloud.node is not None:
                        cloud.node.sweep()
            except ConnectionLost:
                pass
            except Killed as killed:
                cloud.kill(killed.who)
            deaths += WIRE.fell is not None
        cloud.revive()
        if draw.random() < 0.1:
            cloud.pass_deadlines()
        found = disagreements(cloud.db, cloud.world(), settled=False)
        assert not [line for line in found if "past its deadline" not in line], found
    rest(cloud)
    count = len(listed(cloud))
    operations.delete_all(cloud)
    rest(cloud)
    assert cloud.world() == [] and listed(cloud) == []
    print(f"\nseed {seed}: {user.asked} requests, {deaths} deaths, {count} servers at the end")
    cloud.close()


def rest(cloud: MortalCloud) -> None:
    """Quiet, with the hosts' failures retried at once instead of after their pauses, and nothing disagrees."""
    for _ in range(40):
        cloud.settle()
        assert cloud.node is not None
        agent = cloud.node.agent
        if not agent._failures:
            break
        for kind, ref in list(agent._failures):
            agent.observe(kind, ref)
    assert disagreements(cloud.db, cloud.world()) == []
