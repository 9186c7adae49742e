"""The KVM probe, the reaper and the binding: small programs and what they answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cumulet.node.guest import kvmprobe, libvirt_binding, subreap


def test_probe_without_a_device(tmp_path: Path) -> None:
    verdict = kvmprobe.probe(tmp_path / "kvm.json", device="/dev/no-such-kvm")
    assert (verdict.usable, verdict.virt_type) == (False, "qemu")
    assert "emulated" in verdict.sentence


def test_probe_of_something_that_is_not_kvm() -> None:
    assert kvmprobe.measure("/dev/null").usable is False


def test_verdict_is_remembered_for_this_boot_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    monkeypatch.setattr(kvmprobe, "measure", lambda device: measured.append(device) or kvmprobe.Verdict(True, "fast"))
    remembered = tmp_path / "kvm.json"
    assert [kvmprobe.virt_type(remembered) for _ in range(3)] == ["kvm"] * 3
    assert len(measured) == 1
    remembered.write_text(json.dumps({**json.loads(remembered.read_text()), "key": "another boot"}))
    kvmprobe.probe(remembered)
    assert len(measured) == 2
    remembered.write_text("damaged")
    kvmprobe.probe(remembered)
    assert len(measured) == 3


def test_a_device_that_guests_may_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """We, who ask, are root; a guest's QEMU is not (finding S13)."""
    monkeypatch.setattr(kvmprobe, "_ran_in_time", lambda *_: True)
    device, remembered = tmp_path / "kvm", tmp_path / "kvm.json"
    device.touch()
    device.chmod(0o600)
    verdict = kvmprobe.probe(remembered, str(device))
    assert not verdict.usable
    assert f"chgrp kvm {device}" in verdict.sentence
    device.chmod(0o666)
    assert kvmprobe.probe(remembered, str(device)).usable, "what was remembered was about other permissions"
    assert kvmprobe.group(str(device)) is None
    device.chmod(0o660)
    assert kvmprobe.group(str(device)) == device.stat().st_gid


@pytest.mark.skipif(not os.access("/dev/kvm", os.R_OK | os.W_OK), reason="no /dev/kvm here")
def test_probe_is_bounded_and_says_why() -> None:
    started = time.monotonic()
    verdict = kvmprobe.measure()
    assert time.monotonic() - started < 3 * kvmprobe.LIMIT_S + 1
    assert verdict.sentence


def reaper(tmp_path: Path, script: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", subreap.__file__, "--pid-file", str(tmp_path / "pid"), "--"]
    return subprocess.Popen([*command, "/bin/sh", "-c", script])


def wait_for(path: Path) -> str:
    for _ in range(500):
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def test_reaper_adopts_orphans_and_outlives_the_daemon(tmp_path: Path) -> None:
    parent = reaper(tmp_path, f"(sleep 60 & echo $! >{tmp_path}/orphan); exit 3")
    orphan = int(wait_for(tmp_path / "orphan"))
    time.sleep(0.2)
    assert parent.poll() is None
    assert f"PPid:\t{parent.pid}\n" in Path(f"/proc/{orphan}/status").read_text()
    os.kill(orphan, signal.SIGKILL)
    assert parent.wait(timeout=5) == 3
    assert not Path(f"/proc/{orphan}").exists()


def test_reaper_forwards_signals(tmp_path: Path) -> None:
    parent = reaper(
        tmp_path, f"trap 'echo got >{tmp_path}/got; exit 0' TERM; echo up >{tmp_path}/up; while :; do sleep 0.05; done"
    )
    wait_for(tmp_path / "up")
    assert int(wait_for(tmp_path / "pid")) != parent.pid
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(timeout=5) == 0
    assert wait_for(tmp_path / "got") == "got"


def test_reaper_says_how_its_daemon_was_killed(tmp_path: Path) -> None:
    parent = reaper(tmp_path, "kill -9 $$")
    assert parent.wait(timeout=5) == 137


def test_binding_loads_without_opening_the_systems_packages() -> None:
    code = (
        "from cumulet.node.guest import libvirt_binding as b; import sys;"
        "l = b.load(); assert b.load() is l; print(l.getVersion() >= 9_000_000,"
        " any('dist-packages' in p for p in sys.path))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "src"},
    )
    if "python3-libvirt" in out.stderr:
        pytest.skip("no bindings here")
    assert out.stdout.split() == ["True", "False"], out.stderr


def test_missing_binding_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(ImportError, match="Debian package python3-libvirt"):
        libvirt_binding.load(tmp_path)
