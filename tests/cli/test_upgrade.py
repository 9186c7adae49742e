"""An upgrade as an operator sees it: from what to what, with a copy; refused, cut off, and begun by two at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

import cumulet
from cumulet.cli import upgrade, version
from cumulet.cli.main import main
from cumulet.cli.processes import ChildSpec
from cumulet.cli.progress import Progress
from cumulet.config import Settings
from cumulet.db import Database
from cumulet.db.schema import HEAD, SchemaError, migrate, prepare
from tests.databases import KINDS, place
from tests.db.shapes import declare_everything


@pytest.fixture
def old(tmp_path: Path) -> Database:
    """A database of SQLite as the first version left it, with a row."""
    declare_everything()
    (tmp_path / "db").mkdir()
    return first(tmp_path / "db" / "cumulet.sqlite")


def first(where: Path | str) -> Database:
    db = Database(where, durable=False)
    migrate(db, to="0001")
    with db.transaction() as tx:
        tx.execute(text("INSERT INTO fleet_join_tokens VALUES ('before', NULL, 1)"))
    return db


def revision(where: Path) -> str:
    with closing(sqlite3.connect(where)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_the_database_is_copied_first(old: Database, tmp_path: Path) -> None:
    said: list[str] = []
    prepare(old, said.append)
    copy = tmp_path / "db" / f"before-{HEAD}.sqlite"
    assert said == [f"Upgrading the database from 0001 (0.1.0) to {HEAD} ({cumulet.__version__}); a copy is in {copy}"]
    assert (revision(Path(old.where)), revision(copy)) == (HEAD, "0001")
    assert copy.stat().st_mode & 0o777 == 0o600
    with old.read() as tx:
        assert [*tx.rows(text("SELECT revision, version FROM store_upgrades"))] == [(HEAD, cumulet.__version__)]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT token_hash FROM fleet_join_tokens").fetchall() == [("before",)]
    prepare(old, said.append)
    assert len(said) == 1


def test_the_copy_is_the_way_back(old: Database, tmp_path: Path) -> None:
    prepare(old, print)
    old.close()
    for path in (tmp_path / "db").glob("cumulet.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "db" / f"before-{HEAD}.sqlite", old.where)
    again = Database(old.where, durable=False)
    prepare(again, print)
    assert revision(Path(again.where)) == HEAD


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_one_is_refused_and_stays(kind: str, tmp_path: Path) -> None:
    declare_everything()
    db = Database(place(tmp_path / "db.sqlite", kind), durable=False)
    prepare(db)
    with db.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0099'"))
        tx.execute(text("UPDATE store_upgrades SET version = '3.1.4'"))
    with pytest.raises(SchemaError, match=rf"newer Cumulet \(schema 0099 by 3\.1\.4; .*knows {HEAD}\); install that"):
        prepare(db)
    with db.read() as tx:
        assert tx.scalar(text("SELECT version_num FROM alembic_version")) == "0099"
    db.close()


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_fails_has_changed_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare_everything()
    db = first(place(tmp_path / "db.sqlite", kind))

    def fails(_tx: object) -> None:
        raise OSError("out of luck")

    monkeypatch.setattr("cumulet.db.schema._remember", fails)  # after the last step
    with pytest.raises(SchemaError, match="as it was: out of luck"):
        prepare(db)
    monkeypatch.undo()
    with db.read() as tx:
        assert tx.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
    with pytest.raises(SchemaError, match=r"as it was: .*Start the cloud with the version that it had before"):
        breaks(db)
    prepare(db)
    db.close()


def breaks(db: Database) -> None:
    """Give the database a table that a step of the revision trips over, try, and take it away again."""
    with db.transaction() as tx:
        tx.execute(text("CREATE TABLE store_upgrades (number INTEGER)"))
    try:
        prepare(db)
    finally:
        with db.transaction() as tx:
            tx.execute(text("DROP TABLE store_upgrades"))


def test_no_room_for_the_copy(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("cumulet.db.aside.shutil.disk_usage", lambda _: usage(1, 1, 1_000_000))
    with pytest.raises(SchemaError, match=r"no room for a copy .* MB are needed in .*, 1 MB are free\. Nothing was"):
        prepare(old)
    assert revision(Path(old.where)) == "0001"


def test_a_damaged_one_is_not_upgraded(old: Database) -> None:
    old.close()
    with closing(sqlite3.connect(old.where)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'compute_servers'").fetchone()
    with Path(old.where).open("r+b") as file:
        file.seek((pages[0] - 1) * 4096)
        file.write(b"\x7f" * 4096)
    with pytest.raises(SchemaError, match=r"damaged|malformed"):
        prepare(Database(old.where, durable=False))
    assert revision(Path(old.where)) == "0001"
    assert not [*Path(old.where).parent.glob("*before*")]


SLOWLY = """
import os, signal, sys
from pathlib import Path
import cumulet.db.schema as schema
from cumulet.db import Database
from tests.db.shapes import declare_everything
declare_everything()
place, step = sys.argv[2].rsplit(".", 1)
owner = schema.aside if place == "aside" else schema
kept = getattr(owner, step)
def dies(*args):
    kept(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, step, dies)
schema.prepare(Database(Path(sys.argv[1])), print)
"""


@pytest.mark.parametrize("step", ["schema._refuse", "aside.keep", "schema._announce", "schema._remember"])
def test_whoever_is_killed_starts_over(old: Database, step: str) -> None:
    old.close()
    done = subprocess.run([sys.executable, "-c", SLOWLY, str(old.where), step], check=False)
    assert done.returncode == -9
    assert revision(Path(old.where)) == "0001"
    again = Database(old.where, durable=False)
    prepare(again, print)
    assert revision(Path(old.where)) == HEAD
    again.close()


@pytest.mark.parametrize("kind", KINDS)
def test_two_at_once(kind: str, tmp_path: Path) -> None:
    declare_everything()
    where = place(tmp_path / "db.sqlite", kind)
    first(where).close()
    code = (
        "import sys; from pathlib import Path; from cumulet.db import Database;"
        "from cumulet.db.schema import prepare;"
        "from tests.db.shapes import declare_everything; declare_everything();"
        "prepare(Database(sys.argv[1] if '://' in sys.argv[1] else Path(sys.argv[1])), print)"
    )
    command = [sys.executable, "-c", code, str(where)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(text.count("Upgrading") for text in said) == [0, 1]


def test_up_upgrades_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare_everything()
    settings = Settings(state=tmp_path)
    settings.save()
    child = ChildSpec("controller", [sys.executable])
    upgrade.ensure(settings, child, Progress())  # a new cloud: nothing is there to be upgraded
    assert capsys.readouterr().err == ""
    (tmp_path / "db").mkdir()
    first(settings.database).close()
    (tmp_path / upgrade.STARTED).write_text("0.1.0\n")
    assert upgrade.running(settings) == "0.1.0"
    upgrade.ensure(settings, child, Progress())
    assert capsys.readouterr().err.startswith("Upgrading the database from 0001")
    assert upgrade.running(settings) is None


def test_the_options_of_the_version_before_are_kept(tmp_path: Path) -> None:
    """It refuses options that it does not know, so the file that `up` writes is no way back for it."""
    settings = Settings(state=tmp_path, simulated=1)
    file, copy = tmp_path / "cumulet.toml", tmp_path / f"cumulet.toml.before-{cumulet.__version__}"
    upgrade.keep_options(settings)
    assert not copy.exists(), "a new cloud has none"
    file.write_text('region = "Old"\n')
    upgrade.keep_options(settings)
    file.write_text('region = "New"\n')
    upgrade.keep_options(settings)
    assert copy.read_text() == 'region = "Old"\n', "an upgrade that was cut off is done again"
    copy.unlink()
    (tmp_path / upgrade.STARTED).write_text(cumulet.__version__)
    upgrade.keep_options(settings)
    assert not copy.exists()


def test_the_version_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    said = capsys.readouterr().out
    assert said.startswith(f"cumulet {cumulet.__version__} (")
    assert f"schema {HEAD})" in said
    commit = version.commit()
    assert commit is None or f"commit {commit}; " in said
