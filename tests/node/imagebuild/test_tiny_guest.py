"""The tiny image boots and does what its cloud tells it: config drive and metadata service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.imagebuild.conftest import Guest

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.timeout(900)]

USER_DATA = "#!/bin/sh\necho user-data says hello\necho ran >>/root/user-data-ran\n"
READY = "=== cumulet guest ready uptime "


def _config_drive(folder: Path) -> Path:
    latest = folder / "drive/openstack/latest"
    latest.mkdir(parents=True)
    key = (folder / "key.pub").read_text()
    meta = {
        "uuid": "3e9b5a4e-6b0c-4b0a-9a51-6a3e3a0f4f11",
        "hostname": "web-1.novalocal",
        "name": 'a "quoted" n\u00e4me\\',
        "public_keys": {"my/key": key},
        "keys": [{"name": "my/key", "type": "ssh", "data": key}],
        "meta": {},
        "devices": [],
        "launch_index": 0,
    }
    (latest / "meta_data.json").write_text(json.dumps(meta))
    (latest / "user_data").write_text(USER_DATA)
    iso = folder / "config.iso"
    subprocess.run(
        ["genisoimage", "-quiet", "-J", "-r", "-V", "config-2", "-o", str(iso), str(folder / "drive")],
        check=True,
    )
    return iso


@pytest.mark.parametrize("interface", ["if=ide,media=cdrom,readonly=on", "if=virtio,format=raw,readonly=on"])
def test_config_drive(boot: Callable[..., Guest], tmp_path: Path, interface: str) -> None:
    iso = _config_drive(tmp_path)
    guest = boot(["-drive", f"file={iso},{interface}"])
    guest.wait_for(READY)
    log = guest.log()
    assert "Linux version 6." in log, "the kernel's messages have to reach the serial line"
    assert "ci-info: source: config drive" in log
    assert "user-data says hello" in log
    block = re.search(
        r"-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 (SHA256:\S+) .*\(ED25519\)\n"
        r"-----END SSH HOST KEY FINGERPRINTS-----",
        log,
    )
    assert block is not None
    scan = subprocess.run(
        ["ssh-keyscan", "-T", "20", "-t", "ed25519", "-p", str(guest.port), "127.0.0.1"],
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=scan, text=True, capture_output=True, check=True).stdout
    assert block[1] in shown
    said = guest.ssh("hostname; id -un; sudo cat /root/user-data-ran; df -k / | tail -n 1; sudo id -u")
    lines = said.stdout.splitlines()
    assert lines[:3] == ["web-1", "cirros", "ran"], said
    assert int(lines[3].split()[1]) > 900_000, "root has to fill the 1 GiB disk"
    assert lines[4] == "0"
    assert guest.ssh("id -un", user="root").stdout == "root\n"
    assert guest.ssh("true", key="other").returncode == 255, "a key that was not given must not log in"
    suid = guest.ssh("busybox-suid sh -c 'id -u'; busybox-suid cat /etc/shadow")
    assert suid.stdout == "1000\n", "the set-uid BusyBox must not give root's rights to everything"


_METADATA = """
import sys
trees = {answers!r}
path = sys.stdin.buffer.readline().split()[1].decode()
while sys.stdin.buffer.readline().strip():
    pass
body = trees.get(path)
head = "HTTP/1.0 200 OK" if body is not None else "HTTP/1.0 404 Not Found"
sys.stdout.write(head + "\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body or "") + (body or ""))
sys.stdout.flush()
"""


def test_metadata_service_reboot_and_power_button(boot: Callable[..., Guest], tmp_path: Path) -> None:
    key_file = tmp_path / "key.pub"
    root = "/latest/meta-data"
    script = tmp_path / "metadata.py"
    answers = {
        f"{root}/instance-id": "i-00000007",
        f"{root}/local-hostname": "ec2-guest.novalocal",
        f"{root}/public-keys/": "0=mykey",
        f"{root}/public-keys/0/openssh-key": key_file.read_text(),
        "/latest/user-data": USER_DATA,
    }
    script.write_text(_METADATA.format(answers=answers))
    forward = f"guestfwd=tcp:169.254.169.254:80-cmd:{sys.executable} {script}"
    guest = boot([], net=f"user,net=169.254.169.0/24,{forward}")
    guest.wait_for(READY)
    assert "ci-info: source: metadata service" in guest.log()
    said = guest.ssh(f"hostname; curl -s http://169.254.169.254{root}/instance-id; echo; sudo reboot")
    assert said.stdout.splitlines() == ["ec2-guest", "i-00000007"], said
    first = guest.log()
    guest.wait_for(READY, times=2)
    assert first.count("user-data says hello") == 1
    assert guest.log().count("user-data says hello") == 1, "user-data runs once per instance"
    prints = re.findall(r"256 (SHA256:\S+)", guest.log())
    assert len(prints) == 2
    assert prints[0] == prints[1], "the host key outlives a reboot"
    guest.press_power()
    assert guest.process.wait(60) == 0, "the power button turns the guest off"
