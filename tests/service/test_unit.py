"""The unit for systemd: what stands in it, which cloud it is for, and who may not have one."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from cumulet.cli import main, service, state_folder
from cumulet.node.guest import power


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "units"
    folder.mkdir()
    monkeypatch.setattr(service, "UNITS", folder)
    return folder


def lines(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def test_what_stands_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUMULET_ROOT", "/opt/my cumulet")
    monkeypatch.setenv("CUMULET_ENV", "/opt/an env")
    monkeypatch.setenv("CUMULET_DATABASE_URL", "postgresql://cumulet:hidden@db/cumulet")
    text = service.unit_text(Path("/srv/a 100% $cloud"))
    found = lines(text)
    state = "/srv/a 100%% $$cloud"
    assert shlex.split(found["ExecStart"]) == ["/opt/my cumulet/cumulet", "up", "--state", state]
    assert shlex.split(found["ExecStop"]) == ["/opt/my cumulet/cumulet", "service", "guests-off", "--state", state]
    assert found["Environment"] == '"CUMULET_ENV=/opt/an env"'
    assert found["PIDFile"] == "/srv/a 100%% $cloud/run/supervisor.pid"
    assert (found["Type"], found["KillMode"], found["Delegate"], found["Restart"]) == (
        *("forking", "process", "yes", "on-failure"),
    )
    assert "hidden" not in text


def test_installed_by_pip_it_calls_that_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUMULET_ROOT", raising=False)
    monkeypatch.setenv("CUMULET_ENV", "/opt/env")
    found = lines(service.unit_text(Path("/srv/cloud")))
    words = [sys.executable, "-m", "cumulet.cli.main", "up", "--state", "/srv/cloud"]
    assert shlex.split(found["ExecStart"]) == words
    assert "Environment" not in found


def test_each_cloud_has_its_own(units: Path) -> None:
    usual, first, second = Path("/var/lib/cumulet"), Path("/srv/a b"), Path("/home/a b")
    names = []
    for state in (usual, first, second):
        assert service.unit_of(state) is None
        names.append(service._free_name(state))
        (units / names[-1]).write_text(service.unit_text(state))
        assert service.unit_of(state) == names[-1]
    assert names[:2] == ["cumulet.service", "cumulet-a-b.service"]
    assert names[2].startswith("cumulet-a-b-")
    assert [service.unit_of(state) for state in (usual, first, second)] == names


def test_who_may_not_have_one(
    units: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--state", str(tmp_path / "state")]
    monkeypatch.setattr(service, "BOOTED", tmp_path / "no-systemd")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for action in ("install", "remove"):
        assert main.main(["service", action, *where]) == 1
        assert "only root" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main.main(["service", "install", *where]) == 1
    assert "systemd does not run this machine" in capsys.readouterr().err
    (tmp_path / "no-systemd").mkdir()
    assert main.main(["service", "install", *where]) == 1
    assert "there is no cloud in" in capsys.readouterr().err
    assert main.main(["service", "status", *where]) == service.NOT_ACTIVE
    assert "No unit starts the cloud" in capsys.readouterr().out
    assert list(units.iterdir()) == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a folder of root's")
def test_up_by_hand_is_refused_what_a_unit_cannot_be_told(
    units: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state_folder.create(state)
    (units / "cumulet-state.service").write_text(service.unit_text(state))
    monkeypatch.setattr(service, "BOOTED", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main.main(["up", "--simulated", "--foreground", "--state", str(state)]) == 1
    assert "starts this cloud, and cannot with --foreground" in capsys.readouterr().err


class Domain:
    """A guest that obeys after some presses of its button; None: never."""

    def __init__(self, presses: int | None) -> None:
        self.left, self.destroyed = presses, False

    def UUIDString(self) -> str:
        return str(id(self))

    def isActive(self) -> bool:
        return self.left != 0 and not self.destroyed

    def shutdownFlags(self, _flags: int) -> None:
        self.left = None if self.left is None else self.left - 1

    def destroy(self) -> None:
        self.destroyed = True


class Binding:
    VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN = 1

    class libvirtError(Exception):
        pass


@pytest.mark.parametrize(("presses", "said"), [(1, (2, 0)), (None, (2, 1))])
def test_guests_of_a_host_that_goes_down(presses: int | None, said: tuple[int, int]) -> None:
    willing, other, off = Domain(1), Domain(presses), Domain(0)
    assert power.switch_off([willing, other, off], Binding, 0.3) == said
    assert (willing.destroyed, other.destroyed, off.destroyed) == (False, presses is None, False)
    assert not other.isActive()
