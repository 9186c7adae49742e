"""`cumulet audit`: every lock file is asked for, strictly, and what cannot be looked up is no success.

pip-audit is a fake here: the service that it asks is on the network.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.cli import audit
from cumulet.cli.errors import CliError
from cumulet.cli.main import main

FAKE = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
for last in "$@"; do :; done
case $(cat "$last") in bad*) exit 1 ;; esac
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the fake writes what it was asked; the checkout is `tmp_path`."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE)
    python.chmod(0o755)
    monkeypatch.setenv("CUMULET_ROOT", str(tmp_path))
    monkeypatch.setenv("CUMULET_AUDIT_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    for name in ("requirements.lock", "requirements-test.lock"):
        (tmp_path / name).write_text("good\n")
    return tmp_path / "asked"


def test_every_lock_file_is_asked_for(asked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--ignore-vuln", "GHSA-1"]) == 0
    lines = asked.read_text().splitlines()
    assert [line.split()[-1] for line in lines] == [
        str(asked.parent / "requirements-test.lock"),
        str(asked.parent / "requirements.lock"),
    ]
    for line in lines:
        assert line.startswith("-m pip_audit ") and " --ignore-vuln GHSA-1 " in line
        assert {"--strict", "--require-hashes", "--disable-pip"} <= set(line.split())
    assert capfd.readouterr().out.count("nothing known") == 2


def test_one_fault_fails_and_the_others_are_asked_all_the_same(asked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (asked.parent / "requirements-test.lock").write_text("bad\n")
    assert main(["audit"]) == 1
    assert len(asked.read_text().splitlines()) == 2
    assert "FAILED          requirements-test.lock" in capfd.readouterr().out


def test_without_its_environment_it_says_so(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUMULET_AUDIT_ENV", str(asked.parent / "none"))
    with pytest.raises(CliError, match=r"run \./cumulet audit from the checkout"):
        audit.run([])


def test_the_checkouts_lock_files_are_what_is_asked_for() -> None:
    root = Path(__file__).resolve().parents[2]
    names = [file.name for file in audit.lock_files(root)]
    assert names == sorted(path.name for path in root.glob("[!.]*.lock")) and "requirements-audit.lock" in names
    assert "pip-audit==" in (root / "requirements-audit.lock").read_text()
