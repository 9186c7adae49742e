"""Where logs go and how they look; what is hidden in them is in tests/regressions/test_secrets_in_logs.py."""

from __future__ import annotations

import json
import logging
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.cli import logs
from cumulet.cli.errors import CliError
from cumulet.config import ConfigError, Settings

SECRET = "gAAAAABk" + "a" * 80


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    """Something that listens as /dev/log does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "log"))
        found.settimeout(5)
        yield found


def record(text: str, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("cumulet.x", level, "", 0, text, None, None)


def handler(kind: type[logs.Datagrams], tmp_path: Path) -> logs.Datagrams:
    made = kind(tmp_path / "log", "cumulet-node")
    made.setFormatter(logs.Formatter(logs._SHORT))
    return made


def test_json_is_one_line_without_secrets() -> None:
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError:
        import sys

        told = logging.LogRecord("cumulet.x", logging.ERROR, "", 0, "a\nb %s", (SECRET,), sys.exc_info())
    line = logs.Json().format(told)
    found = json.loads(line)
    assert "\n" not in line and SECRET not in line
    assert found["message"] == f"a\nb {logs.HIDDEN}" and "ValueError" in found["exception"]
    assert found["time"].endswith("Z") and found["level"] == "ERROR"


def test_nobody_writes_a_line_of_their_own() -> None:
    forged = "2026-12-01T00:00:00.000Z 1 ERROR cumulet.http forged"
    told = record(f"no host is named x\n{forged}\r{forged}\x1b[2J\u2028{forged}\x85\x9b1A")
    text = logs.Formatter(logs._FORM).format(told)
    assert [line[:4] for line in text.splitlines()] == [text[:4], "    "], text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    plain = record("a line with an Umlaut: ä, and \N{SNOWMAN}")
    assert logs.Formatter(logs._SHORT).format(plain) == f"WARNING cumulet.x {plain.msg}"


def test_syslog_gets_facility_level_and_name(daemon: socket.socket, tmp_path: Path) -> None:
    handler(logs.Syslog, tmp_path).handle(record(f"told {SECRET}"))
    text = daemon.recv(9000).decode()
    assert text.startswith("<28>") and " cumulet-node[" in text
    assert text.endswith(f": WARNING cumulet.x told {logs.HIDDEN}")


def test_the_journal_gets_fields_whatever_is_in_the_text(daemon: socket.socket, tmp_path: Path) -> None:
    handler(logs.Journal, tmp_path).handle(record("one\nPRIORITY=0", logging.ERROR))
    head, _, rest = daemon.recv(9000).partition(b"MESSAGE\n")
    assert head == b"PRIORITY=3\nSYSLOG_IDENTIFIER=cumulet-node\n"
    (length,) = struct.unpack("<Q", rest[:8])
    assert rest[8 : 8 + length] == b"ERROR cumulet.x one\n    PRIORITY=0" and rest[8 + length :] == b"\n"


def test_nothing_waits_for_a_daemon_that_is_slow_or_gone(
    daemon: socket.socket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = handler(logs.Syslog, tmp_path)
    for number in range(2000):  # more than its queue takes
        made.handle(record(f"number {number}"))
    assert "number 1999" in capsys.readouterr().err
    daemon.close()
    made.handle(record("nobody is there"))
    assert "nobody is there" in capsys.readouterr().err


def test_up_says_that_there_is_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(logs.PLACES, "syslog", (logs.Syslog, tmp_path / "none"))
    with pytest.raises(CliError, match="nothing listens"):
        logs.check(Settings.resolve(tmp_path, {"log_to": "syslog"}, {}))
    logs.check(Settings.resolve(tmp_path, {}, {}))


@pytest.mark.parametrize("wrong", [{"log_to": "disk"}, {"log_format": "xml"}, {"log_days": 0}, {"on_problem": "mail"}])
def test_wrong_options_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Settings.resolve(tmp_path, wrong, {})
