"""A sealed stream is whole, in its order, and its own, or it is refused with a sentence."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest

from cumulet.cli.backups import sealing
from cumulet.cli.backups.records import Bytes, End, FileEnd, FileStart, Head, compressed, packed, records
from cumulet.cli.backups.sealing import SealedWriter, Secret, opened, read_secret
from cumulet.cli.errors import CliError

DATA = os.urandom(1000)
SECRETS = {"passphrase": Secret("passphrase", b"correct horse"), "key": Secret("key", bytes(range(32))), "none": None}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks, and guesses that cost little."""
    monkeypatch.setattr(sealing, "CHUNK", 128)
    monkeypatch.setattr(sealing, "SCRYPT", {"n": 2, "r": 1, "p": 1})


def sealed(seal: str, data: bytes = DATA) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, SECRETS[seal])
    for at in range(0, len(data), 77):
        writer.write(data[at : at + 77])
    writer.close()
    return file.getvalue()


def read(raw: bytes, secret: Secret | None) -> bytes:
    return b"".join(opened(io.BytesIO(raw), "B", secret))


def chunks(raw: bytes) -> list[bytes]:
    """The head, and each chunk with its length."""
    at = raw.index(b"\n", len(sealing.MAGIC)) + 1
    found = [raw[:at]]
    while at < len(raw):
        length = struct.unpack_from(">I", raw, at)[0] & 0x7FFFFFFF
        found.append(raw[at : at + 4 + length])
        at += 4 + length
    return found


@pytest.mark.parametrize("seal", SECRETS)
@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 256, 1000])
def test_what_was_sealed_comes_back(seal: str, size: int) -> None:
    assert read(sealed(seal, DATA[:size]), SECRETS[seal]) == DATA[:size]


@pytest.mark.parametrize("seal", ["passphrase", "key"])
def test_nothing_of_it_can_be_read(seal: str) -> None:
    raw = sealed(seal, b"hunter2 " * 100)
    assert b"hunter2" not in raw
    assert sealed(seal) != sealed(seal), "each file has a key of its own"


@pytest.mark.parametrize("seal", SECRETS)
def test_cut_off_anywhere_it_is_refused(seal: str) -> None:
    raw = sealed(seal)
    boundaries, at = [], 0
    for chunk in chunks(raw):
        at += len(chunk)
        boundaries.append(at)
    assert len(boundaries) == 9
    for end in [*boundaries[:-1], *(each - 1 for each in boundaries), *(each + 3 for each in boundaries[:-1])]:
        with pytest.raises(CliError, match=r"not whole|cannot be read"):
            read(raw[:end], SECRETS[seal])


@pytest.mark.parametrize("seal", SECRETS)
def test_every_changed_byte_is_seen(seal: str) -> None:
    raw = sealed(seal, DATA[:300])
    for at in range(len(raw)):
        for bit in (1, 0x80):
            changed = bytearray(raw)
            changed[at] ^= bit
            with pytest.raises(CliError):
                read(bytes(changed), SECRETS[seal])


@pytest.mark.parametrize("seal", SECRETS)
def test_chunks_stay_in_their_place_and_in_their_file(seal: str) -> None:
    (head, *mine), (_, *theirs) = chunks(sealed(seal)), chunks(sealed(seal))
    moved = [mine[1], mine[0], *mine[2:]]
    foreign = [theirs[0], *mine[1:]]
    without = [mine[0], *mine[2:]]
    for wrong in (moved, foreign, without, [*mine, mine[-1]], [*mine, b"x"]):
        with pytest.raises(CliError):
            read(head + b"".join(wrong), SECRETS[seal])


def test_another_secret_is_told_from_damage() -> None:
    raw = sealed("passphrase")
    with pytest.raises(CliError, match="sealed with another passphrase"):
        read(raw, Secret("passphrase", b"correct hors"))
    with pytest.raises(CliError, match="give it with --passphrase-file"):
        read(raw, SECRETS["key"])
    with pytest.raises(CliError, match="give it with --passphrase-file"):
        read(raw, None)


@pytest.mark.parametrize("text", [b"", b"x", b"SQLite format 3\0", b"CUMULET BACKUP 1", b"CUMULET BACKUP 1\n[]\n"])
def test_anything_else_is_no_backup(text: bytes) -> None:
    with pytest.raises(CliError, match=r"is no backup|damaged"):
        read(text, None)
    with pytest.raises(CliError, match="newer Cumulet"):
        read(b"CUMULET BACKUP 2\nanything", None)


def test_a_head_cannot_ask_for_all_memory() -> None:
    head = sealing.MAGIC + b'{"seal": "passphrase", "salt": "00", "n": 1099511627776, "r": 8, "p": 1, "check": "00"}\n'
    with pytest.raises(CliError, match="damaged"):
        read(head, SECRETS["passphrase"])


def test_secrets_come_from_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("long enough\nsecond line\n")
    file.chmod(0o644)
    with pytest.raises(CliError, match="may be read by others"):
        read_secret("passphrase", file)
    file.chmod(0o600)
    assert read_secret("passphrase", file).value == b"long enough"
    assert "long enough" not in repr(read_secret("passphrase", file))
    with pytest.raises(CliError, match="fewer than 32 bytes"):
        read_secret("key", file)
    file.write_text("short\n")
    with pytest.raises(CliError, match="fewer than 8"):
        read_secret("passphrase", file)
    with pytest.raises(CliError, match="cannot read"):
        read_secret("key", tmp_path / "none")


HEAD = Head(
    version="1", schema="1", made_at=1, database="sqlite", state="/s", node="n", simulated=True, secrets=True, images=""
)
END = End(tables={}, files=1, images=0)


def test_records_have_an_order() -> None:
    start, data, over = FileStart("a", 1), Bytes(b"x" * 3_000_000), FileEnd("0")
    good = [HEAD, start, data, over, END]
    assert list(records(compressed(map(packed, good)), "B")) == good  # type: ignore[arg-type]
    for wrong in ([start, HEAD, END], [HEAD, HEAD, END], [HEAD, END, start], [HEAD, start], [], [HEAD, END, END]):
        with pytest.raises(CliError, match="damaged"):
            list(records(compressed(map(packed, wrong)), "B"))  # type: ignore[arg-type]
    for raw in (b"?" + packed(HEAD)[1:], b"h\xff\xff\xff\xff", packed(HEAD)[:-1], b"h\0\0\0\1\xc1"):
        with pytest.raises(CliError, match="damaged"):
            list(records(compressed([raw]), "B"))
    with pytest.raises(CliError, match="damaged"):
        list(records([b"not compressed"], "B"))
