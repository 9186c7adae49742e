"""A backup that somebody made up is refused in words: nothing is written elsewhere, and nothing is left to start.

Who can make one up has the key, or it was not sealed.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cumulet.cli import main as command
from cumulet.cli import state_folder
from cumulet.cli.backups.records import Bytes, Elsewhere, End, FileEnd, FileStart, Head, compressed, packed
from cumulet.cli.backups.sealing import SealedWriter
from cumulet.db import schema
from cumulet.db.copies import Form, Rows

IMAGE = "images/14d06af9-edf6-4870-aacd-901fb3e9f24c"
NOTHING = hashlib.sha256(b"").hexdigest()
CONFIG = b"simulated = 1\n"
CONFIGURED = (FileStart("cumulet.toml", 1), Bytes(CONFIG), FileEnd(hashlib.sha256(CONFIG).hexdigest()))
Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """A command, its exit status and what it says. What is no sentence is an exception here."""
    for name in ("CUMULET_DATABASE_URL", "CUMULET_BACKUP_KEY_FILE", "CUMULET_BACKUP_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: Any) -> tuple[int, str]:
        mask = os.umask(0o022)
        try:
            status = command.main([str(word) for word in words])
        finally:
            os.umask(mask)
        said = capsys.readouterr()
        return status, said.out + said.err

    return typed


def head(**more: Any) -> Head:
    values: dict[str, Any] = {
        "version": "0.2.0", "schema": schema.HEAD, "made_at": 1, "database": "sqlite", "state": "/x", "node": "n",
        "simulated": True, "secrets": False, "images": "left out",
    }  # fmt: skip
    return Head(**{**values, **more})


def written(file: Path, *pieces: Any) -> Path:
    """A backup of these records, with its head unless one is given, and an end that counts them right."""
    counts: dict[str, int] = {}
    for piece in pieces:
        if isinstance(piece, Form):
            counts[name := piece.name] = 0
        elif isinstance(piece, Rows):
            counts[name] += len(piece.rows)
    files = sum(isinstance(piece, FileStart) for piece in pieces)
    images = sum(isinstance(piece, Elsewhere) for piece in pieces)
    heads = [piece for piece in pieces if isinstance(piece, Head)] or [head()]
    pieces = tuple(piece for piece in pieces if not isinstance(piece, Head))
    every = (*heads, *CONFIGURED, *pieces, End(tables=counts, files=files + 1, images=images))
    with file.open("wb") as out:
        writer = SealedWriter(out, None)
        for data in compressed(piece if isinstance(piece, bytes) else packed(piece) for piece in every):
            writer.write(data)
        writer.close()
    return file


def table(name: str, columns: tuple[str, ...], *rows: list[Any]) -> tuple[Form, Rows]:
    return Form(name, columns), Rows(list(rows))


DEEP = b"\x91" * 100_000 + b"\xc0"
NONSENSE: dict[str, tuple[Any, ...]] = {
    "a cloud without an epoch": table("fleet_cloud", ("id",), ["x"]),
    "an epoch that is a word": table("fleet_cloud", ("id", "epoch", "run", "at"), ["x", "many", "", 1]),
    "a revision of nothing": table("fleet_revision", ("id", "value"), [1, None]),
    "a revision without end": table("fleet_revision", ("id", "value"), [1, float("inf")]),
    "a number that no database has": table("fleet_revision", ("id", "value"), [1, 2**64 - 1]),
    "a table that there is not": table("sqlite_master; --", ("a",), [1]),
    "a column that there is not": table("fleet_revision", ("id", 'value") VALUES (1, 1); --'), [1, 1]),
    "a column twice": table("fleet_revision", ("id", "value", "value"), [1, 1, 1]),
    "a value that is a tree": table("fleet_revision", ("id", "value"), [1, {"a": [1]}]),
    "a tree in another table": table("store_marks", ("name", "at"), ["x", {"a": [1]}]),
    "a number too large in another table": table("store_marks", ("name", "at"), ["x", 2**64 - 1]),
    "a row that names nobody": table("fleet_hosts", ("id",), ["x"]),
    "a record that is too deep": (Form("x", ("a",)), b"r" + struct.pack(">I", len(DEEP)) + DEEP),
    "a schema that looks like a number": (head(schema="\N{SUPERSCRIPT TWO}"),),
    "a schema of many digits": (head(schema="9" * 5000),),
    "an image that is a secret": (Elsewhere("secrets/operator_secret", 1, NOTHING),),
    "an image of another folder": (Elsewhere(IMAGE, 0, "../../../../../../../../dev/zero"),),
    "an image of less than nothing": (Elsewhere(IMAGE, -1, NOTHING),),
    "a file above": (FileStart("secrets/../../x", 0), FileEnd(NOTHING)),
    "a file of root": (FileStart("/etc/cumulet", 0), FileEnd(NOTHING)),
    "a file with another hash": (FileStart("policy.yaml", 1), Bytes(b"x"), FileEnd(NOTHING)),
    "a file below a file": (
        *(FileStart("a", 0), FileEnd(NOTHING)),
        *(FileStart("a/b", 0), FileEnd(NOTHING)),
    ),
    "a name that no disk takes": (FileStart("a" * 300, 0), FileEnd(NOTHING)),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_what_is_made_up_is_refused_in_words(what: str, run: Typed, tmp_path: Path) -> None:
    file, there = written(tmp_path / "b", *NONSENSE[what]), tmp_path / "there"
    status, said = run("restore", file, "--state", there, "--images-from", tmp_path)
    assert status == 1 and said.strip(), what
    assert "Traceback" not in said and "\x1b" not in said
    assert not state_folder.is_state_folder(there), "there is nothing to start"
    assert not there.exists() or (there / state_folder.RESTORING).exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"b", "there"}


def test_an_object_is_a_file(run: Typed, tmp_path: Path) -> None:
    """A pipe where an image should be would be read for ever."""
    place = tmp_path / "objects" / NOTHING[:2]
    place.mkdir(parents=True)
    os.mkfifo(place / NOTHING)
    file = written(tmp_path / "b", Elsewhere(IMAGE, 0, NOTHING))
    status, said = run("restore", file, "--state", tmp_path / "there", "--images-from", tmp_path / "objects")
    assert status == 1 and "1 of 1 images are not in" in said
