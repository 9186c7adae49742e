"""What `status` finds wrong: each check with the thing itself, and what comes first."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from cumulet.auth import Policies, Policy
from cumulet.cli import hints, problems, state_folder, status
from cumulet.cli import main as command
from cumulet.cli.problems import disk, restarts, within
from cumulet.cli.processes import ProcessRow
from cumulet.cli.readiness import Endpoint
from cumulet.config import Settings
from cumulet.db import Database, metadata
from cumulet.engine.clock import Clock
from cumulet.fleet.door import Heard
from cumulet.fleet.model import hosts
from cumulet.fleet.tables import links
from cumulet.services.image.assembly import changed_since
from cumulet.space import Space
from tests.laws.source import ROOT

GIB = 1 << 30


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a state folder as `up` leaves it, with room on its disk."""
    found = Settings.resolve(tmp_path / "state", {"simulated": 1}, {})
    state_folder.create(found.state)
    state_folder.furnish(found.state, None, node_too=True)
    found.save()
    (found.run_dir / "supervisor.lock").touch()
    return found


def row(name: str = "node", **values: Any) -> ProcessRow:
    given: dict[str, Any] = {"name": name, "pid": 4711, "started": time.time(), "restarts": 0} | values
    return ProcessRow(**given, last_exit="exit 1", pss_kb=None)


def codes(seen: problems.Seen) -> list[str]:
    return [problem.code for problem in problems.find(seen)]


def test_a_cloud_in_order_has_no_problems(settings: Settings) -> None:
    endpoint = Endpoint("identity", "http://x", 1.0, 200, None)
    assert problems.find(problems.Seen(settings, [row()], [endpoint], {"nodes": [{"host": "a", "up": True}]})) == []
    assert problems.find(problems.Seen(settings)) == []


def test_a_foreign_database_comes_before_everything_else(settings: Settings) -> None:
    """However many other things are wrong at the same time."""
    hosts = [{"host": name, "up": False, "hold": "the controller is another cloud's"} for name in "abcd"]
    report = {
        "nodes": hosts,
        "estranged": "S has 3 guests and an empty database",
        "problems": [
            {"code": "clock-wrong", "sentence": "late", "advice": ""},
            {"code": "unheard-of", "sentence": "x"},
        ],
    }
    silent = Endpoint("image", "http://x", None, None, "refused")
    found = problems.find(problems.Seen(settings, [row(pid=None)], [silent], report))
    expected = ["cloud-estranged", "node-holds", "process-down", "endpoint-silent", *["node-down"] * 4]
    assert [problem.code for problem in found] == [*expected, "clock-wrong", "unheard-of"]
    assert found[1].sentence == "nodes a, b and 2 others hold: the controller is another cloud's"
    [first, blank] = status.headline([{"code": p.code, "sentence": p.sentence, "advice": p.advice} for p in found])
    assert first.startswith("PROBLEM: S has 3 guests and an empty database. Nothing was deleted")
    assert "adopt" in first and "forget" in first and first.endswith("(9 more below)") and not blank


def test_a_check_that_breaks_hides_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_seen: problems.Seen) -> list[problems.Problem]:
        raise OSError("no such luck")

    monkeypatch.setattr(problems, "CHECKS", (broken, *problems.CHECKS))
    found = problems.find(problems.Seen(settings, [row(pid=None)], report={"nodes": []}))
    assert [problem.code for problem in found] == ["process-down", "check-failed"]
    assert "no such luck" in found[-1].sentence


def test_a_silent_controller_says_why(settings: Settings) -> None:
    [found] = problems.find(problems.Seen(settings, [row()], silence="HTTP status 503"))
    assert (found.code, found.sentence[-15:]) == ("controller-silent", "HTTP status 503")


@pytest.mark.parametrize(
    ("space", "code"),
    [
        (Space(6 * GIB, 100 * GIB), []),
        (Space(4 * GIB, 100 * GIB), ["disk-low"]),
        (Space(100_000, 100 * GIB), ["disk-full"]),
        (Space(0, 0), []),  # what has no size of its own, such as a file system in memory without a limit
        (Space(50 * GIB, 100 * GIB, os.ST_RDONLY), ["disk-read-only"]),
    ],
)
def test_room_on_a_disk(space: Space, code: list[str]) -> None:
    assert [problem.code for problem in disk.judged(Path("/x"), space)] == code


def test_secrets_are_their_owners_alone(settings: Settings) -> None:
    (settings.secrets_dir / "admin_password").chmod(0o644)
    (settings.secrets_dir / "keys").mkdir(mode=0o750)
    (settings.secrets_dir / "keys").chmod(0o750)
    (settings.secrets_dir / "metadata_secret").unlink()
    (settings.state / "clouds.yaml").write_text("x")
    (settings.state / "clouds.yaml").chmod(0o640)
    found = problems.find(problems.Seen(settings))
    assert [problem.code for problem in found] == ["secret-open"] * 3 + ["secret-missing"]
    for problem in found[:3]:
        os.chmod(problem.advice.split()[2], int(problem.advice.split()[1], 8))  # the advice is what mends it
    state_folder.furnish(settings.state, None)
    assert problems.find(problems.Seen(settings)) == []


def test_the_page_for_people_has_every_code_in_its_order() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \| .{4,} \|$", page, re.MULTILINE)
    assert dict(rows) == problems.CODES and [code for code, _ in rows] == [*problems.CODES]


def test_every_code_that_is_said_is_listed_and_the_other_way_round() -> None:
    """`admin-password` and `certificate` are for checks that come with what they look at."""
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "codes.py")
    said = {code for code in problems.CODES if f'"{code}"' in source}
    assert set(re.findall(r'Problem\(\s*"([\w-]+)"', source)) <= set(problems.CODES)
    assert set(problems.CODES) - said <= {"admin-password", "certificate"}


def test_what_the_controller_alone_sees(tmp_path: Path) -> None:
    """Files that are not in force, and a clock that was set: each is gone when it is mended."""
    rules = Policies(tmp_path / "policy.yaml", {"image": Policy(())})
    rules.load()
    find = within.policy(rules)
    assert find() == []
    rules.file.write_text("x: [")
    rules.refresh()
    [found] = find()
    assert (found.code, "is not YAML" in found.sentence) == ("policy-ignored", True)
    rules.file.write_text("{}")
    rules.refresh()
    assert find() == []
    changed = changed_since(tmp_path / "image.toml")
    assert changed() == []
    (tmp_path / "image.toml").write_text("x")
    assert [problem.code for problem in changed()] == ["stores-ignored"]
    (tmp_path / "image.toml").unlink()
    assert changed() == []


def test_a_clock_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db, ahead = Database(tmp_path / "db.sqlite"), {"s": 0.0}
    metadata.create_all(db.engine)
    now_ns, boot = time.time_ns, time.clock_gettime
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(ahead["s"] * 1e9))
    clock = Clock()
    find = within.clock(db, clock)
    assert (clock.step()[0], find()) == (0, [])
    ahead["s"] = 600
    assert abs(clock.step()[0] - 600_000_000) < 1_000_000
    with db.transaction() as tx:
        row = {"id": "l", "name": "n", "secret_hash": "x", "joined_at": tx.now, "last_seen": tx.now}
        tx.execute(links.insert(), row)
    assert [(p.code, "ahead by 600 s" in p.sentence) for p in find()] == [("clock-stepped", True)]
    ahead["s"] = 0
    assert clock.step()[0] < -599_000_000
    assert [p.code for p in find()] == ["clock-stepped", "clock-wrong"]
    monkeypatch.setattr(time, "clock_gettime", lambda which: boot(which) + 3601)
    assert [p.code for p in find()] == ["clock-wrong"]
    ahead["s"] = 600
    assert find() == []
    db.close()


def test_a_database_whose_end_is_missing(settings: Settings) -> None:
    (settings.state / "furnished").touch()
    assert isinstance(settings.database, Path)
    with sqlite3.connect(settings.database) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 50)
    connection.close()
    assert [each.code for each in problems.database.check(problems.Seen(settings))] == []
    os.truncate(settings.database, 8192)
    [found] = problems.database.check(problems.Seen(settings))
    assert (found.code, found.sentence) == ("database-damaged", f"{settings.database} is damaged: its end is missing")


def test_options_that_are_gone_are_said_to_be(settings: Settings) -> None:
    settings.file.unlink()
    [found] = problems.files.check(problems.Seen(settings))
    assert found.sentence == f"{settings.file} is not there"
    assert f"{settings.run_dir}/cumulet.toml" in found.advice


def test_a_nodes_clock_that_is_another(tmp_path: Path) -> None:
    """One heartbeat that waited says nothing of a clock."""
    db, heard = Database(tmp_path / "db.sqlite"), Heard()
    metadata.create_all(db.engine)
    with db.transaction() as tx:
        first, _ = hosts.join(tx, "one", [])
        second, _ = hosts.join(tx, "two", [])
    find = within.clocks(db, heard)

    def beat(link_id: str, ahead_s: float) -> None:
        heard.note(link_id, time.time_ns() // 1000 + int(ahead_s * 1e6), 2)

    beat(first, -70)
    assert find() == []
    beat(first, 0)
    beat(second, 30)
    beat(second, 31)
    [found] = find()
    assert (found.code, found.sentence) == (
        "clock-wrong",
        "the clock of the node two is 30 s ahead of the controller's",
    )
    for _ in range(3):
        beat(first, -70)
        beat(second, 1)
    assert [problem.sentence for problem in find()] == ["the clock of the node one is 70 s behind the controller's"]
    heard.note(first, None, 0)  # a node of before says no time
    assert len(find()) == 1 and heard.restarts() == 2
    db.close()


def test_what_the_controller_advises_is_typed_for_this_cloud(settings: Settings) -> None:
    row = {
        "code": "admin-password",
        "sentence": "it is no longer admin's",
        "advice": "Set one: cumulet admin password.",
    }
    [found] = problems.told.check(problems.Seen(settings, [], [], {"problems": [row]}))
    assert found.advice == f"Set one: {hints.command('admin password', settings.state)}."
    assert str(settings.state) in found.advice


def test_a_restart_is_a_problem_for_an_hour(settings: Settings) -> None:
    lately, before = row(restarts=2), row(restarts=2, started=time.time() - 3601)
    assert [p.code for p in restarts.check(problems.Seen(settings, [lately, before]))] == ["restarts"]
    assert codes(problems.Seen(settings, [before], report={"nodes": []})) == []


def test_a_pipe_in_place_of_the_database_holds_nobody_up(settings: Settings) -> None:
    """A controller that was taken over may put one where root looks, also for the command of `on_problem`."""
    assert isinstance(settings.database, Path)
    (settings.state / "furnished").touch()
    settings.database.parent.mkdir(exist_ok=True)
    os.mkfifo(settings.database)
    found = list(problems.database.check(problems.Seen(settings)))
    assert [problem.code for problem in found] == ["database-damaged"]


def test_nobody_else_may_write_what_commands_make() -> None:
    before = os.umask(0)
    try:
        assert command.main(["forget"]) == 1
        assert os.umask(0) & 0o022 == 0o022
    finally:
        os.umask(before)


def test_a_secret_that_the_next_start_makes_is_not_missing(settings: Settings) -> None:
    """As after `down` and an upgrade: `put it back from a backup` would be vain advice."""
    for name in ("metrics_token", "service_password"):
        (settings.secrets_dir / name).unlink()
    endpoint = Endpoint("identity", "http://x", 1.0, 200, None)
    running = problems.Seen(settings, [row()], [endpoint], {"nodes": [{"host": "a", "up": True}]})
    assert codes(running) == ["secret-missing"] * 2
    [stopped] = problems.find(problems.Seen(settings))
    assert "service_password" in stopped.sentence
