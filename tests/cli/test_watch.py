"""``on_problem``: when the command is run, with what, and that it is bounded."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from cumulet.cli import up, watch
from cumulet.config import Settings


def row(sentence: str, code: str = "node-down") -> dict[str, Any]:
    return {"code": code, "sentence": sentence, "advice": ""}


def script(folder: Path, text: str) -> list[str]:
    """A command that everybody may run, at a place that everybody may enter."""
    file = folder / "told.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return ["/bin/sh", str(file)]


def test_a_change_counts_when_two_looks_agree() -> None:
    changes = watch.Changes()
    one, two = row("sim-0001 is down"), row("sim-0002 is down")
    assert changes.look([one]) == ([], [])
    assert changes.look([one, two]) == ([one], [])
    changes.told()
    assert changes.look([two]) == ([two], [])
    changes.told()
    assert changes.look([two]) == ([], [one])
    changes.told()
    assert changes.look([two]) == ([], [])
    assert changes.look([]) == ([], [])
    assert changes.look([two]) == ([], []), "it was away for one look only"


def test_a_number_that_moves_is_no_change() -> None:
    changes = watch.Changes()
    for days in (29, 29, 28):
        found = changes.look([row(f"the certificate ends in {days} days"), row("3.2 GB of sda1 are free")])
        changes.told()
    assert found == ([], [])


def test_a_moment_that_moves_is_no_change() -> None:
    """A host that was forced down is still heard of, every ten seconds."""
    changes = watch.Changes()
    first, then = (row(f"node a is down (last seen 2026-12-01T02:06:{second}Z)") for second in ("15", "30.5"))
    assert changes.look([first]) == ([], [])
    assert changes.look([then]) == ([then], [])


def test_what_could_not_be_told_is_told_again() -> None:
    changes = watch.Changes()
    changes.look([row("a")])
    assert changes.look([row("a")])[0] == changes.look([row("a")])[0] == [row("a")]


def test_the_command_gets_json_and_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "hidden")
    tmp_path.chmod(0o777)
    out = tmp_path / "out"
    out.touch()
    out.chmod(0o666)
    monkeypatch.setattr(watch, "_user", lambda: (None, None))  # pytest's folders are closed to nobody
    assert watch.tell(script(tmp_path, f"cat > {out}; env >> {out}; id -u >> {out}"), {"new": [row("a")], "gone": []})
    first, *rest = out.read_text().splitlines()
    assert json.loads(first)["new"][0]["sentence"] == "a"
    assert not any("OS_PASSWORD" in line for line in rest) and rest[-1] == str(os.geteuid())


def test_root_runs_it_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    uid, gid = watch._user()
    assert uid and gid


def test_a_command_that_hangs_or_fails_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_user", lambda: (None, None))
    begun, nothing = time.monotonic(), {"new": [], "gone": []}
    assert not watch.tell(script(tmp_path, "sleep 60 & wait"), nothing, limit_s=0.3)
    assert time.monotonic() - begun < 10
    assert not watch.tell(script(tmp_path, "exit 3"), nothing)
    assert not watch.tell([str(tmp_path / "none")], nothing)


def test_the_process_is_there_only_when_somebody_is_to_be_told(tmp_path: Path) -> None:
    plain = Settings.resolve(tmp_path, {}, {})
    told = Settings.resolve(tmp_path, {"on_problem": "/bin/true 'a b'"}, {})
    assert [spec.name for spec in up.child_specs(plain, None)] == ["controller", "node"]
    assert [spec.name for spec in up.child_specs(told, None)] == ["controller", "node", "watch"]
