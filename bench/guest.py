"""How long a real guest takes from POST /servers to its kernel and to ssh, beside the same QEMU started by hand.

    PYTHONPATH=src python bench/guest.py [--runs 3] [--json out.json] [--first]

--first lets everything in that machine go first where others use the processors too (autogroup); both ways gain.

Needs root. It makes a machine of namespaces, starts a cloud in it, and alternates: a server through the API; then, with
that server switched off, QEMU with the very same options (from /proc) on a fresh disk and the same tap. Both are timed
to the first line of the kernel on the serial console and to the banner of ssh on the floating IP.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STATE = Path("/var/lib/cumulet")
HAND = Path("/run/bench-guest")
PATIENCE_S = 180.0
DROPPED = {"-S": 0, "-add-fd": 1, "-mon": 1, "-msg": 1}
"""Options of libvirt's own, with how many words follow each."""


class Cloud:
    """The APIs, as the demo user."""

    def __init__(self) -> None:
        env = dict(re.findall(r"^export (\w+)=['\"]?([^'\"\n]*)", (STATE / "demo-openrc").read_text(), re.MULTILINE))
        domain = {"name": "Default"}
        user = {"name": env["OS_USERNAME"], "password": env["OS_PASSWORD"], "domain": domain}
        scope = {"project": {"name": env["OS_PROJECT_NAME"], "domain": domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": scope}}
        request = urllib.request.Request(f"{env['OS_AUTH_URL']}/auth/tokens", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            self._token = answer.headers["X-Subject-Token"]

    def call(self, method: str, port: int, path: str, body: Any = None) -> Any:
        """The parsed answer. Raises urllib's HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
        request.add_header("X-Auth-Token", self._token)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def first(self, port: int, path: str, kind: str) -> Any:
        """The first of a list."""
        return self.call("GET", port, path)[kind][0]


def wait(condition: Callable[[], bool], pause: float = 0.005) -> None:
    """Until it is true. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the guest did not come")
        time.sleep(pause)


def has_kernel(log: Path) -> Callable[[], bool]:
    """Whether the kernel has said its first line."""

    def look() -> bool:
        with contextlib.suppress(FileNotFoundError):
            return b"Linux version" in log.read_bytes()
        return False

    return look


def has_ssh(address: str) -> Callable[[], bool]:
    """Whether a server says that it speaks ssh."""

    def look() -> bool:
        try:
            with socket.create_connection((address, 22), timeout=0.5) as peer:
                peer.settimeout(10)
                return peer.recv(4) == b"SSH-"
        except OSError:
            return False

    return look


class Subject:
    """A port with a floating IP, on which guests come and go."""

    def __init__(self, cloud: Cloud, first: bool) -> None:
        self.cloud, self.favoured = cloud, first
        group = cloud.first(9696, "/v2.0/security-groups?name=default", "security_groups")["id"]
        rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
        rule |= {"port_range_min": 22, "port_range_max": 22}
        cloud.call("POST", 9696, "/v2.0/security-group-rules", {"security_group_rule": rule})
        self.network = cloud.first(9696, "/v2.0/networks?name=selfservice", "networks")["id"]
        self.outside = cloud.first(9696, "/v2.0/networks?name=provider", "networks")["id"]
        self.image = cloud.first(9292, "/v2/images", "images")["id"]

    def run(self) -> dict[str, float]:
        """One server through the API, then its double by hand; seconds."""
        port = self.cloud.call("POST", 9696, "/v2.0/ports", {"port": {"network_id": self.network}})["port"]["id"]
        wish = {"floatingip": {"floating_network_id": self.outside, "port_id": port}}
        floating = self.cloud.call("POST", 9696, "/v2.0/floatingips", wish)["floatingip"]
        try:
            return self._both(port, floating["floating_ip_address"])
        finally:
            self.cloud.call("DELETE", 9696, f"/v2.0/floatingips/{floating['id']}")
            with contextlib.suppress(urllib.error.HTTPError):
                self.cloud.call("DELETE", 9696, f"/v2.0/ports/{port}")

    def _both(self, port: str, address: str) -> dict[str, float]:
        server = {"name": "bench", "flavorRef": "42", "imageRef": self.image, "networks": [{"port": port}]}
        begun = time.monotonic()
        made = self.cloud.call("POST", 8774, "/v2.1/servers", {"server": server})["server"]["id"]
        answered = time.monotonic() - begun
        folder = STATE / "node" / "instances" / made
        log = folder / "console.log"
        try:
            wait(lambda: process_of(made) is not None, 0.02)
            spawned = time.monotonic() - begun
            if self.favoured:
                prefer(process_of(made) or "self")
            found = {"api answer": answered, "api process": spawned, **to_ssh(begun, log, address, "api")}
            words = command_of(made)
            time.sleep(3)  # what the guest does after ssh is up is over before it is switched off
            self._off(made)
            hand = self._by_hand(own_command(words, folder, HAND, f"tap{port[:11]}"), folder, address)
        finally:
            self.cloud.call("DELETE", 8774, f"/v2.1/servers/{made}")
            wait(lambda: not folder.exists(), 0.1)
        return found | hand

    def _by_hand(self, command: list[str], folder: Path, address: str) -> dict[str, float]:
        """Start the double of a guest that is off; seconds."""
        HAND.mkdir(exist_ok=True)
        for file in HAND.iterdir():
            file.unlink()
        look: list[str | Path] = ["qemu-img", "info", "-U", "--output=json", folder / "disk"]
        info = json.loads(subprocess.run(look, check=True, capture_output=True).stdout)
        base = ["-b", info["backing-filename"], "-F", info["backing-filename-format"]]
        make = ["qemu-img", "create", "-q", "-f", "qcow2", *base, HAND / "disk", str(info["virtual-size"])]
        subprocess.run(make, check=True)
        begun = time.monotonic()
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            if self.favoured:
                prefer(str(qemu.pid))
            return to_ssh(begun, HAND / "log", address, "hand")
        finally:
            qemu.kill()
            qemu.wait()

    def _off(self, server: str) -> None:
        self.cloud.call("POST", 8774, f"/v2.1/servers/{server}/action", {"os-stop": None})
        path = f"/v2.1/servers/{server}"
        wait(lambda: bool(self.cloud.call("GET", 8774, path)["server"]["status"] == "SHUTOFF"), 0.5)


def prefer(processes: str = "[0-9]*") -> None:
    """Let these processes' sessions go before those of the rest of the machine."""
    for place in Path("/proc").glob(processes):
        with contextlib.suppress(OSError):
            (place / "autogroup").write_text("-18")


def to_ssh(begun: float, log: Path, address: str, who: str) -> dict[str, float]:
    """Seconds from `begun` to kernel and to ssh."""
    wait(has_kernel(log))
    kernel = time.monotonic() - begun
    wait(has_ssh(address), 0.02)
    banner = time.monotonic() - begun
    said = re.search(rb"sshd up, uptime ([0-9.]+)", log.read_bytes())
    return {f"{who} kernel": kernel, f"{who} sshd's uptime": float(said[1]) if said else 0.0, f"{who} ssh": banner}


def process_of(server: str) -> str | None:
    """The PID of the guest's QEMU."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes()
            if words.startswith(b"/usr/bin/qemu-system") and server.encode() in words:
                return place.name
    return None


def command_of(server: str) -> list[str]:
    """The words that libvirt started the guest's QEMU with."""
    pid = process_of(server)
    assert pid is not None
    return Path("/proc", pid, "cmdline").read_text().rstrip("\0").split("\0")


def own_command(words: list[str], folder: Path, place: Path, tap: str) -> list[str]:
    """The same without libvirt's descriptors: the tap by its name, the log by its path, no monitor, not stopped."""
    command, rest = [], iter(words)
    for word in rest:
        if word in DROPPED:
            for _ in range(DROPPED[word]):
                next(rest)
            continue
        if word in ("-chardev", "-object", "-netdev", "-vnc", "-blockdev"):
            value = next(rest)
            if "charmonitor" in value or '"secret"' in value:
                continue
            if word == "-netdev":
                value = f"tap,id=hostnet0,ifname={tap},script=no,downscript=no"
            if word == "-vnc":
                value = re.sub(r"unix:[^,]*", f"unix:{place}/vnc.sock", value)
            value = re.sub(r"logfile=[^,]*", f"logfile={place}/log", value)
            value = value.replace(f'"{folder}/disk"', f'"{place}/disk"')
            command += [word, value]
            continue
        command.append(word)
    return command


def inside(runs: int, first: bool) -> None:
    """In the machine: measure and print JSON."""
    if first:
        prefer()
    subject = Subject(Cloud(), first)
    subject.run()  # brings the image into the node's cache and the host's memory
    found = []
    for _ in range(runs):
        found.append({**subject.run(), "load": os.getloadavg()[0]})
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    print(json.dumps(found))


def report(found: list[dict[str, float]]) -> str:
    """The table for people."""
    lines = [
        f"{'seconds from start to':<24}" + "".join(f"{f'run {i + 1}':>9}" for i in range(len(found))) + "   median"
    ]
    for name in found[0]:
        values = [row[name] for row in found]
        lines.append(f"{name:<24}" + "".join(f"{each:9.2f}" for each in values) + f"{statistics.median(values):9.2f}")
    above = statistics.median(1000 * (row["api kernel"] - row["hand kernel"]) for row in found)
    ratio = statistics.median(row["api ssh"] / row["hand ssh"] for row in found)
    lines.append(f"kernel: {above:.0f} ms above the hand-started one (aim: 400); ssh: {ratio:.2f} of it (aim: 1.10)")
    return "\n".join(lines)


def main() -> None:
    """Make the machine, or measure in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        inside(given.runs, given.first)
        return
    sys.path.insert(0, str(ROOT))
    from tests.e2e.lab import Lab
    from tests.e2e.machine import Machine

    with Machine("bench") as machine:
        lab = Lab(machine)
        lab.up()
        words = [sys.executable, __file__, "--inside", "--runs", str(given.runs), *(["--first"] if given.first else [])]
        done = subprocess.run(machine.command(words), stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(lab.host("tail", "-n", "30", str(STATE / "log" / "node.log")), file=sys.stderr)
            raise SystemExit("the measurement failed")
        node = lab.host("grep", " guest .* ready in", str(STATE / "log" / "node.log"), check=False)
        lab.cumulet("down", "--purge")
    found = json.loads(done.stdout)
    print(report(found))
    print("the node's own words:", *re.findall(r"guest \S+ (revision \d+ ready in .*)", node)[-6:], sep="\n  ")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
