"""Keys that sign tokens: rotation keeps what lives, survives being killed, and is seen by who runs."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from cumulet.services.identity.loops import keep_keys_fresh, rotate_keys
from cumulet.services.identity.model import keys
from cumulet.services.identity.model.keys import FernetKeys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.setup(tmp_path / "k")
    return tmp_path / "k"


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_three_keys_and_no_more(folder: Path) -> None:
    reader = FernetKeys(folder)
    sealed = [reader.box().encrypt(b"0")]
    for turn in range(1, 5):
        staged = (folder / "0").read_bytes()
        keys.rotate(folder)
        assert (folder / str(keys.numbers(folder)[-1])).read_bytes() == staged, "the staged key signs now"
        assert len(keys.numbers(folder)) == min(2 + turn, 3) and modes(folder) == {0o600}
        sealed.append(reader.box().encrypt(str(turn).encode()))
    box = reader.box()
    assert [box.decrypt(each) for each in sealed[-2:]] == [b"3", b"4"]
    for gone in sealed[:-2]:
        with pytest.raises(InvalidToken):
            box.decrypt(gone)


def test_what_a_process_with_the_next_keys_signs_is_read_by_one_with_these(folder: Path) -> None:
    slow = FernetKeys(folder).box()
    keys.rotate(folder)
    assert slow.decrypt(FernetKeys(folder).box().encrypt(b"x")) == b"x"


def test_nothing_changes_the_box_but_keys(folder: Path) -> None:
    reader = FernetKeys(folder)
    box = reader.box()
    os.utime(folder)
    assert reader.box() is box
    keys.rotate(folder)
    assert reader.box() is not box


@pytest.mark.parametrize("step", range(6))
def test_a_rotation_that_dies_is_put_right_by_the_next(
    folder: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies before its `step`th call of the system that changes the folder."""
    keys.rotate(folder)
    sealed = FernetKeys(folder).box().encrypt(b"x")
    left = [step]

    def dying(name: str, owner: object) -> None:
        real = getattr(owner, name)

        def call(*arguments: object, **options: object) -> object:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    dying("replace", os)
    dying("unlink", os)
    dying("fdopen", os)
    with contextlib.suppress(KeyboardInterrupt):
        keys.rotate(folder)
    monkeypatch.undo()
    assert FernetKeys(folder).box().decrypt(sealed) == b"x", "at every moment the keys can be read"
    keys.setup(folder)
    assert keys.numbers(folder)[0] == 0
    keys.rotate(folder)
    assert len(keys.numbers(folder)) == 3 and modes(folder) == {0o600}
    assert not list(folder.glob(".*"))


def test_rotation_when_due_happens_once(folder: Path) -> None:
    assert not keys.rotate_when_due(folder)
    os.utime(folder / "0", (0, 0))
    turns: list[bool] = []
    threads = [threading.Thread(target=lambda: turns.append(keys.rotate_when_due(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == [False, False, False, True] and keys.numbers(folder) == [0, 1, 2]


def test_the_loop_and_the_verb(tmp_path: Path) -> None:
    for name in ("fernet-keys", "receipt-keys"):
        keys.setup(tmp_path / name)
        os.utime(tmp_path / name / "0", (0, 0))
    stop = threading.Event()
    stop.set()
    keep_keys_fresh(tmp_path, stop)
    assert keys.numbers(tmp_path / "fernet-keys") == keys.numbers(tmp_path / "receipt-keys") == [0, 1, 2]
    assert rotate_keys(tmp_path) == {"fernet-keys": [0, 2, 3], "receipt-keys": [0, 2, 3]}
