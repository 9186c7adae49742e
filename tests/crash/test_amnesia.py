"""A cloud whose files are lost, cut short, another cloud's or older than they were: what ran runs on, nothing goes.

Everything dies at once, one or two things of the state folder are damaged, and everything starts on what is there. The
node asks about what is strange without waiting, which is the hardest case. Then the right files are back, and all is
as it was: guests, revisions, the API; and the cloud works. CUMULET_AMNESIA=all also tries the pairs
without the database.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError

from cumulet.cli import controller, state_folder
from cumulet.config import ConfigError, Settings
from cumulet.db.schema import SchemaError
from cumulet.fleet import door as fleet
from cumulet.fleet.model import joining
from cumulet.node.agent import STREAMS
from cumulet.node.keeper import Keeper
from cumulet.node.link import LinkError
from cumulet.node.simulated import Script
from tests.assembled import mounted
from tests.crash.consistency import disagreements
from tests.crash.mortal import MortalCloud, _Inline, install
from tests.crash.operations import body, furnish, listed
from tests.services.compute.conftest import IMAGE

THINGS = {
    "database": "db",
    "journal": "node/journal",
    "memory": "node/cloud.json",
    "credentials": "node/link.json",
    "secrets": "secrets",
    "images": "images",
}
ACTS = ("lost", "truncated", "another's", "aged")
SINGLE = [((thing, act),) for thing in THINGS for act in ACTS]
PAIRS = [
    ((one, how), (other, how_other))
    for one, other in itertools.combinations(THINGS, 2)
    for how, how_other in itertools.product(ACTS, ACTS)
    if one == "database" or os.environ.get("CUMULET_AMNESIA") == "all"
]
SEVERAL = [
    tuple((thing, act) for thing in things)
    for act in ACTS
    for things in (("database", "journal", "memory"), ("database", "secrets", "memory"), tuple(THINGS))
    if act != "another's" or not {"journal", "memory"} <= set(things)  # all that a node knows is another cloud's
]


class Revived(MortalCloud):
    """Controller and node on a state folder that is there."""

    def __init__(self, state: Path) -> None:
        self.settings = Settings.resolve(state, {"simulated": 2, "port_base": 20000}, {})
        self.hosts, self.script = 2, Script()
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_Inline())
        self.controller = self.node = None
        self.restarts, self.silent, self.intact, self.together = 0, False, True, False
        self.after_revival = lambda: None

    def start(self) -> bool:
        """Start both, as `up` does, which makes what secrets are missing; whether the controller starts. A node
        starts without its controller when it has joined before."""
        state_folder.furnish(self.settings.state, None)
        try:
            self.revive()
        except (DatabaseError, SchemaError, ConfigError):
            self.controller = None
            return False
        assert self.node is not None
        agent = self.node.agent
        agent.keeper = Keeper(agent.link, 0.0)
        return True

    def stop(self) -> None:
        """Both die."""
        self.kill("node")
        self.kill("controller")

    def live(self, rounds: int = 2) -> None:
        """Everything that the two do in a minute."""
        for _ in range(rounds):
            self.step()
            self._join_again()
            agent = self.node.agent if self.node else None
            if agent is not None:
                with suppress(LinkError):
                    agent.heartbeat()
                agent.sweep()
            self.step()

    def _join_again(self) -> None:
        """As the node does beside its controller, when its credentials are no longer known."""
        assert self.node is not None
        link = self.node.agent.link
        try:
            link.changes(STREAMS[1], 2**62, 0)
        except LinkError as error:
            if error.status != 401:
                return
            with self.db.transaction() as tx:
                token, _ = joining.issue(tx, "node")
            link.join("node", self.node.agent.parts.facts(), token)


@dataclass
class Clouds:
    """Folders: the cloud as it is, as it was before its second server, and another one. `ids` of the servers."""

    now: Path
    before: Path
    other: Path
    ids: list[str]
    lab: Any


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    folder = tmp_path_factory.mktemp("amnesia")
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        patch.setattr(controller, "policies", _once(controller.policies))
        other = _made(folder / "other", 1)[0]
        other.kill("controller")
        cloud, lab, first = _made(folder / "now", 1)
        cloud.stop()
        _copy(folder / "now", folder / "before")
        cloud.start()
        second = _server(cloud, lab)
        cloud.live()
        cloud.stop()
        (folder / "now" / "images" / IMAGE).write_bytes(b"bytes" * 100)
        yield Clouds(folder / "now", folder / "before", folder / "other", [*first, second], lab)


def _once(make: Any) -> Any:
    """What all controllers of these tests share: the rules are the same each time."""
    made: list[Any] = []

    def policies(*arguments: Any) -> Any:
        if not made:
            made.append(make(*arguments))
        return made[0]

    return policies


def _made(state: Path, number: int) -> tuple[Revived, Any, list[str]]:
    made = MortalCloud(state, 2)
    lab = furnish(made)
    made.close()
    cloud = Revived(state)
    assert cloud.start()
    ids = [_server(cloud, lab) for _ in range(number)]
    cloud.live()
    return cloud, lab, ids


def _server(cloud: Revived, lab: Any) -> str:
    status, answer = cloud.request("POST", "compute", "/v2.1/servers", body(lab))
    assert status == 202, answer
    for _ in range(6):
        cloud.step()
    return str(answer["server"]["id"])


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _put(place: Path, source: Path) -> None:
    _remove(place)
    if source.is_dir():
        _copy(source, place)
    elif source.exists():
        shutil.copy2(source, place)


def damage(clouds: Clouds, state: Path, thing: str, act: str) -> None:
    """Do `act` to the `thing` of the folder."""
    place = state / THINGS[thing]
    if act == "lost":
        _remove(place)
    elif act == "truncated":
        for file in _files(place):
            data = file.read_bytes()
            file.write_bytes(data[: len(data) // 2])
    else:
        _put(place, (clouds.other if act == "another's" else clouds.before) / THINGS[thing])


def _name(case: Any) -> str:
    return "+".join(f"{thing} {act}" for thing, act in case)


@pytest.mark.parametrize("case", SINGLE + PAIRS + SEVERAL, ids=_name)  # type: ignore[operator]
def test_nothing_that_ran_goes_and_all_comes_back(clouds: Clouds, tmp_path: Path, case: Any) -> None:
    state = tmp_path / "state"
    _copy(clouds.now, state)
    cloud = Revived(state)
    world = cloud.world()
    assert sorted(guest.id for guest in world) == sorted(clouds.ids)
    pictures = {file.read_bytes() for file in _files(state / "images")}
    for thing, act in case:
        damage(clouds, state, thing, act)
    if "images" in dict(case):
        pictures = {file.read_bytes() for file in _files(state / "images")}
    if cloud.start():
        cloud.live()
        assert cloud.world() == world, "while something is wrong"
        left = {file.read_bytes() for file in _files(state / "images")}
        assert pictures <= left
    cloud.stop()
    for thing, _ in case:
        _put(state / THINGS[thing], clouds.now / THINGS[thing])
    assert cloud.start()
    cloud.live()
    assert cloud.world() == world, "when all is back"
    assert cloud.node is not None
    assert cloud.node.agent.hold is None
    assert {server["status"] for server in listed(cloud)} == {"ACTIVE"} and len(listed(cloud)) == 2
    assert disagreements(cloud.db, world) == []
    with cloud.db.read() as tx:
        assert fleet.held(tx) == [] and fleet.kept(tx) == []
    if len(case) == 1:
        _works(cloud, clouds)
    cloud.stop()
    cloud.close()


def _works(cloud: Revived, clouds: Clouds) -> None:
    """Stop, delete and create are carried out at once."""
    status, _ = cloud.request("POST", "compute", f"/v2.1/servers/{clouds.ids[0]}/action", {"os-stop": None})
    assert status == 202
    status, _ = cloud.request("DELETE", "compute", f"/v2.1/servers/{clouds.ids[1]}")
    assert status == 204
    third = _server(cloud, clouds.lab)
    cloud.live()
    assert {guest.id: guest.running for guest in cloud.world()} == {clouds.ids[0]: False, third: True}


def test_a_copy_whose_epoch_was_raised_works_at_once(clouds: Clouds, tmp_path: Path) -> None:
    """B3: after a restore nodes are told anew; what the copy does not know stays until somebody lets go of it."""
    state = tmp_path / "state"
    _copy(clouds.now, state)
    damage(clouds, state, "database", "aged")
    cloud = Revived(state)
    first, second = clouds.ids
    assert cloud.start()
    cloud.live()
    assert cloud.node is not None and cloud.node.agent.hold is not None
    with cloud.db.transaction() as tx:
        assert {each.ref for each in fleet.kept(tx) if each.kind == "guest"} == set(clouds.ids)
        fleet.raise_epoch(tx)
    cloud.live(3)
    assert cloud.node.agent.hold is None
    with cloud.db.read() as tx:
        assert [(each.ref, each.why) for each in fleet.kept(tx) if each.kind == "guest"] == [(second, "strange")]
        (kept,) = [each for each in fleet.kept(tx) if each.kind == "guest"]
    assert kept.spec["id"] == second and kept.host
    status, _ = cloud.request("POST", "compute", f"/v2.1/servers/{first}/action", {"os-stop": None})
    assert status == 202
    cloud.live()
    assert {guest.id: guest.running for guest in cloud.world()} == {first: False, second: True}
    cloud.stop()
    assert cloud.start()
    cloud.live(3)
    assert {guest.id for guest in cloud.world()} == set(clouds.ids), "nor is it forgotten at the next start"
    with cloud.db.transaction() as tx:
        assert ("guest", second) in fleet.forget(tx, [second])
    cloud.live()
    assert [guest.id for guest in cloud.world()] == [first]
    with cloud.db.read() as tx:
        assert [each for each in fleet.kept(tx) if each.kind == "guest"] == []
    cloud.stop()
    cloud.close()


def test_what_its_past_proves_goes_after_a_while(clouds: Clouds, tmp_path: Path) -> None:
    """A node that got an old journal back, with a server that was deleted since: its controller says so when asked."""
    state = tmp_path / "state"
    _copy(clouds.now, state)
    cloud = Revived(state)
    assert cloud.start()
    status, _ = cloud.request("DELETE", "compute", f"/v2.1/servers/{clouds.ids[1]}")
    assert status == 204
    cloud.live()
    assert [guest.id for guest in cloud.world()] == clouds.ids[:1]
    cloud.stop()
    for thing in ("journal", "memory"):
        _put(state / THINGS[thing], clouds.now / THINGS[thing])
    _put(state / "node/world", clouds.now / "node/world")
    assert cloud.start() and cloud.node is not None
    cloud.node.agent.keeper = Keeper(cloud.node.agent.link, 3600.0)
    cloud.live()
    assert {guest.id for guest in cloud.world()} == set(clouds.ids)
    cloud.node.agent.keeper = Keeper(cloud.node.agent.link, 0.0)
    cloud.live()
    assert [guest.id for guest in cloud.world()] == clouds.ids[:1]
    cloud.stop()
    cloud.close()


def test_a_deleted_server_is_not_made_again_from_an_old_journal(clouds: Clouds, tmp_path: Path) -> None:
    state = tmp_path / "state"
    _copy(clouds.now, state)
    cloud = Revived(state)
    (state / "node/world" / f"{clouds.ids[1]}.json").unlink()
    assert cloud.start() and cloud.node is not None
    cloud.kill("controller")
    for _ in range(3):
        cloud.step()
        cloud.node.agent.sweep()
    assert [guest.id for guest in cloud.world()] == clouds.ids[:1], "before a controller has spoken"
    cloud.revive()
    cloud.live(3)
    assert {guest.id for guest in cloud.world()} == set(clouds.ids)
    cloud.stop()
    cloud.close()


def test_neighbouring_versions(clouds: Clouds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node of before works with this controller unless that is estranged; with a controller of before a node works
    as long as it has never known a cloud, and holds otherwise."""
    state = tmp_path / "state"
    _copy(clouds.now, state)
    cloud = Revived(state)
    assert cloud.start() and cloud.node is not None and cloud.controller is not None
    link = cloud.node.agent.link
    link.seen = None
    assert {item.ref for item in link.changes(("guest",), 0, 0).items} == set(clouds.ids)
    link.heartbeat([])
    standing = mounted(cloud.controller, "link").context.standing
    standing.estranged = "these are not its rows"
    with pytest.raises(LinkError, match="503"):
        link.changes(("guest",), 0, 0)
    standing.estranged = None
    agent = cloud.node.agent
    link.seen = lambda: agent.journal.seen
    assert not agent.judge(None) and "whose it is" in (agent.hold or "")
    agent.journal.seen = None
    assert agent.judge(None)
    cloud.stop()
    cloud.close()
