"""Root works in folders of the controller's user, who must not be able to lead it elsewhere (finding S19)."""

from __future__ import annotations

import os
import pwd
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from cumulet.cli import state_folder
from cumulet.cli.errors import CliError
from cumulet.config import ConfigError, Settings
from cumulet.desired.items import Changes, Item
from cumulet.desired.network import Network
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Link
from cumulet.node.simulated import SimulatedParts
from cumulet.services.identity.loops import rotate_keys
from cumulet.services.identity.model import keys

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
NOBODY = 65534


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that looks like one of keys and is none of the controller's business."""
    found = tmp_path / "elsewhere"
    found.mkdir()
    for name in ("0", "1", "2", "3", "4", ".9.new"):
        (found / name).write_text("untouched")
    return found


def untouched(folder: Path) -> bool:
    names = {"0", "1", "2", "3", "4", ".9.new"}
    return {path.name for path in folder.iterdir()} == names and {path.read_text() for path in folder.iterdir()} == {
        "untouched"
    }


def test_a_rotation_follows_no_folder_that_is_a_link(tmp_path: Path, elsewhere: Path) -> None:
    """Finding S19."""
    keys.setup(tmp_path / "receipt-keys")
    (tmp_path / "fernet-keys").symlink_to(elsewhere)
    steps: list[Callable[[], object]] = [
        lambda: rotate_keys(tmp_path),
        lambda: keys.rotate_when_due(tmp_path / "fernet-keys", -1),
        lambda: keys.setup(tmp_path / "fernet-keys"),
        lambda: keys.numbers(tmp_path / "fernet-keys"),
    ]
    for step in steps:
        with pytest.raises(OSError, match="fernet-keys"):
            step()
    assert untouched(elsewhere)


def test_nor_one_that_becomes_a_link_meanwhile(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding S19: the folder is looked up once."""
    folder = tmp_path / "fernet-keys"
    keys.setup(folder)
    real = keys._rotate

    def swapped(*arguments: object) -> None:
        folder.rename(tmp_path / "away")
        folder.symlink_to(elsewhere)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(keys, "_rotate", swapped)
    keys.rotate(folder)
    assert untouched(elsewhere)
    assert keys.numbers(tmp_path / "away") == [0, 1, 2]


def test_a_key_is_no_link(tmp_path: Path, elsewhere: Path) -> None:
    """Finding S19: what waits under the names of drafts and keys is taken away, not written through."""
    folder = tmp_path / "fernet-keys"
    keys.setup(folder)
    (folder / "0").unlink()
    for name in ("0", ".0.new", ".1.new"):
        (folder / name).symlink_to(elsewhere / "0")
    keys.rotate(folder)
    assert untouched(elsewhere)
    assert not (folder / "0").is_symlink() and not list(folder.glob(".*"))
    with pytest.raises(OSError, match="Too many levels"):
        keys.FernetKeys(folder).box()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    state = tmp_path / "state"
    state_folder.create(state)
    state_folder.furnish(state, None, node_too=True)
    return Settings.resolve(state, {"simulated": 1}, {})


@pytest.mark.parametrize("name", ["admin_password", "operator_secret", "database_url"])
@pytest.mark.parametrize("way", ["link", "pipe", "folder", pytest.param("hard link", marks=as_root)])
def test_a_secret_is_a_file_of_its_folders_owner(way: str, name: str, settings: Settings, tmp_path: Path) -> None:
    """Finding S19: root reads it and hands it to the controller, in a login or as the token of the link."""
    rooms = tmp_path / "only-roots"
    rooms.write_text("postgresql://root@localhost/x")
    rooms.chmod(0o600)
    secret = settings.secrets_dir / name
    secret.unlink(missing_ok=True)
    if way == "link":
        secret.symlink_to(rooms)
    elif way == "pipe":
        os.mkfifo(secret, 0o600)
    elif way == "folder":
        secret.mkdir(mode=0o700)
    else:
        os.link(rooms, secret)
        os.chown(settings.secrets_dir, NOBODY, NOBODY)
    with pytest.raises(ConfigError, match="cannot read") as refused:
        print(settings.database if name == "database_url" else settings.secret(name))
    assert "root@localhost" not in str(refused.value)


def test_the_folder_of_secrets_is_no_link(settings: Settings, tmp_path: Path) -> None:
    """Finding S19."""
    settings.secrets_dir.rename(tmp_path / "away")
    settings.secrets_dir.symlink_to(tmp_path / "away")
    with pytest.raises(ConfigError, match="cannot read"):
        settings.secret("admin_password")


@as_root
def test_root_works_in_no_folder_that_was_the_controllers(settings: Settings) -> None:
    """Finding S19: as a node of simulated hosts leaves its own."""
    owner = pwd.struct_passwd(("somebody", "x", NOBODY, NOBODY, "", "/", "/bin/false"))
    state_folder.furnish(settings.state, owner, node_too=True)
    assert settings.node_dir.stat().st_uid == NOBODY
    state_folder.furnish(settings.state, owner, node_too=True)
    with pytest.raises(CliError, match="belongs to the user somebody"):
        state_folder.furnish(settings.state, owner)


@pytest.mark.parametrize("ref", ["../../x", "/etc/x", "a\0b"])
def test_the_journal_keeps_to_its_folder(ref: str, tmp_path: Path) -> None:
    """Finding S19: also where Python runs without its assertions."""
    journal = Journal(tmp_path / "journal")
    item = Item(host="h", kind="guest", ref=ref, revision=1)
    for step in (journal.keep, journal.drop):
        with pytest.raises(ValueError, match="not a UUID"):
            step(item)
    assert list((tmp_path / "journal").iterdir()) == []


def test_an_items_bad_name_hurts_that_item_only(tmp_path: Path) -> None:
    """Finding S19: the others of the same answer are worked on, and the next answer is asked for."""
    parts = SimulatedParts(1, None, tmp_path / "world")
    agent = Agent(Link("http://127.0.0.1:1", tmp_path / "link.json"), parts, Journal(tmp_path / "journal"))
    before, later = (str(uuid.uuid4()) for _ in range(2))
    names = [before, "../../x", later]
    items = [Item(host="h", kind="network", ref=ref, revision=1, spec=Network(id=ref)) for ref in names]
    agent.take(Changes(revision=5, items=items), ("network",))
    assert set(agent.specs("network")) == {before, later}
    assert len(list((tmp_path / "journal").iterdir())) == 2


@as_root
def test_root_makes_no_cloud_in_a_folder_of_somebody_elses(tmp_path: Path) -> None:
    """Finding S19: in /tmp anybody may make the folder first, with the mark in it, and put there what root obeys."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for marked in (False, True):
        if marked:
            (theirs / state_folder.MARKER).write_text(state_folder.MARKER_TEXT)
        os.chown(theirs, NOBODY, NOBODY)
        with pytest.raises(CliError, match="another user's"):
            state_folder.create(theirs)
    assert theirs.stat().st_uid == NOBODY and {path.name for path in theirs.iterdir()} == {state_folder.MARKER}
    everybodys = tmp_path / "everybodys"
    everybodys.mkdir()
    everybodys.chmod(0o777)
    with pytest.raises(CliError, match="everybody may replace"):
        state_folder.create(everybodys / "mine")
    everybodys.chmod(0o1777)  # as /tmp: there nobody renames what is another one's
    state_folder.create(everybodys / "mine")
    assert state_folder.is_state_folder(everybodys / "mine")
