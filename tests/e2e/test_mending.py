"""A real cloud that is hit: processes killed at named moments, things broken by hand, disks that fill.

In the end everything is as asked for, nothing is left over or doubled, and guests that ran have run on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.lab import STATE, Lab, real, until
from tests.e2e.machine import Machine
from tests.e2e.onlooker import snapshot
from tests.e2e.stage import Server, Stage
from tests.e2e.wire import Refused

pytestmark = real(900)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Machine("stack") as machine:
        lab = Lab(machine)
        bare = snapshot(lab)
        lab.up()
        stage = Stage(lab)
        stage.bare = bare
        yield stage


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory, stage: Stage) -> Path:
    """A key that guests let in."""
    file = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    body = {"name": "key", "public_key": file.with_name("id.pub").read_text()}
    stage.demo.post("compute", "/os-keypairs", {"keypair": body})
    return file


@pytest.fixture(scope="module")
def guest(stage: Stage, key: Path) -> tuple[Server, str]:
    """A server that lives through everything, and its floating address."""
    stage.open("icmp")
    stage.open("tcp", 22)
    server = stage.create("survivor", key_name="key")
    stage.wait(server)
    return server, stage.floating(server)[1]


def test_the_node_is_killed_while_servers_come_and_go(stage: Stage, guest: tuple[Server, str]) -> None:
    look, survivor = stage.look, guest[0]
    before, pid = stage.ledger(), look.qemu(survivor.name)
    moments: dict[str, Callable[[Server], bool]] = {
        "tap": lambda one: look.link(one.tap),
        "defined": lambda one: look.defined(one.name),
        "running": lambda one: look.running(one.name),
    }
    for title, moment in moments.items():
        servers = [stage.create(f"{title}-{number}") for number in range(2)]
        look.strike_when("node", partial(moment, servers[0])).join()
        for server in servers:
            stage.wait(server)
            assert look.starts(server.name) == 1, f"{title}: {server.name} was started more than once"
        _delete_struck(stage, servers, title)
        stage.returns_to(before)
    assert (look.starts(survivor.name), look.qemu(survivor.name)) == (1, pid)


def _delete_struck(stage: Stage, servers: list[Server], title: str) -> None:
    """Delete; in some rounds the node is killed when the first domain is ended."""
    blow = None
    if title != "tap":
        blow = stage.look.strike_when("node", lambda: not stage.look.running(servers[0].name))
    for server in servers:
        stage.delete(server)
    if blow is not None:
        blow.join()
    for server in servers:
        stage.gone(server)


def test_what_is_broken_by_hand_is_mended(stage: Stage, guest: tuple[Server, str]) -> None:
    server, address = guest
    until("the guest answers", lambda: stage.lab.pings(address), 90)
    before, pid = stage.ledger(), stage.look.qemu(server.name)
    host = stage.lab.host
    inside = ["ip", "netns", "exec", f"qrouter-{stage.router}"]
    bridge = f"brq{stage.network[:11]}"
    host("pkill", "-9", "dnsmasq")  # in the machine's own process numbers
    host(*inside, "iptables", "-t", "nat", "-F")
    host("iptables", "-F", f"neutron-linuxbri-i{server.port[:10]}")
    host("ip", "link", "set", server.tap, "nomaster")
    host("sh", "-c", "ip link del $(ip -br link show type vxlan | awk 'NR==1 {print $1}')")
    host(*inside, "sh", "-c", "ip link del $(ip -br link | grep -o '^qg-[^@ ]*')")
    host("ip", "link", "set", bridge, "down")
    begun = time.monotonic()
    stage.returns_to(before, 50)
    assert time.monotonic() - begun < 45
    until("the guest answers again", lambda: stage.lab.pings(address), 10)
    assert stage.look.qemu(server.name) == pid
    assert stage.status() == []


def test_the_controller_is_killed(stage: Stage, guest: tuple[Server, str]) -> None:
    look = stage.look
    before = stage.ledger()
    servers = [stage.create(f"controller-{number}") for number in range(2)]
    look.strike_when("controller", lambda: look.link(servers[0].tap)).join()
    for server in servers:
        stage.wait(server)
        assert look.starts(server.name) == 1
    for server in servers:
        stage.delete(server)
    look.strike_when("controller", lambda: True).join()
    for server in servers:
        stage.gone(server)
    stage.returns_to(before)


def test_a_server_is_deleted_while_the_node_is_away(stage: Stage, guest: tuple[Server, str]) -> None:
    look = stage.look
    before = stage.ledger()
    server = stage.create("unseen")
    stage.wait(server)
    look.strike("node", signal.SIGSTOP)
    try:
        stage.delete(server)
        time.sleep(1)
        assert look.running(server.name)
    finally:
        look.strike("node", signal.SIGCONT)
    stage.gone(server, 30)
    stage.returns_to(before)


def test_the_node_is_killed_while_a_guest_reboots(stage: Stage, guest: tuple[Server, str]) -> None:
    look = stage.look
    server = stage.create("rebooted")
    stage.wait(server)
    moments: dict[str, Callable[[str], bool]] = {
        "ended": lambda old: look.qemu(server.name) != old,
        "running": lambda old: look.qemu(server.name) not in ("", old),
    }
    for number, (title, moment) in enumerate(moments.items(), 1):
        old = look.qemu(server.name)
        blow = look.strike_when("node", partial(moment, old))
        stage.act(server, reboot={"type": "HARD"})
        blow.join()
        stage.wait(server)
        until(f"{title}: it runs again", partial(moments["running"], old), 30, 0.1)
        assert look.starts(server.name) == 1 + number, f"{title}: rebooted more than once"
    stage.delete(server)
    stage.gone(server)


def test_the_node_is_killed_while_an_address_comes_and_goes(stage: Stage, guest: tuple[Server, str]) -> None:
    look = stage.look
    server = stage.create("addressed")
    stage.wait(server)
    until("DHCP has its address", lambda: any(server.fixed in line for line in stage.ledger()), 20)
    before = stage.ledger()
    for title in ("rule", "at once"):
        made, address = stage.floating(server)
        look.strike_when("node", partial(_there, stage, address, title)).join()
        until("it is ACTIVE", partial(_active, stage, made), 40, 0.1)
        nat = stage.router_nat()
        assert nat.count(f"--to-destination {server.fixed}") == 2
        assert nat.count(f"--to-source {address}") == 1
        stage.demo.delete("network", f"/floatingips/{made}")
        stage.returns_to(before)
    stage.delete(server)
    stage.gone(server)


def _there(stage: Stage, address: str, title: str) -> bool:
    return title == "at once" or address in stage.router_nat()


def _active(stage: Stage, floating_id: str) -> bool:
    shown = stage.demo.get("network", f"/floatingips/{floating_id}")["floatingip"]
    return bool(shown["status"] == "ACTIVE")


def test_libvirtd_dies_and_stays_away_for_a_while(stage: Stage, guest: tuple[Server, str]) -> None:
    server, address = guest
    pid = stage.look.qemu(server.name)
    stage.lab.host("pkill", "-9", "libvirtd")
    until("libvirtd is back", lambda: server.name in stage.lab.host("virsh", "list", check=False), 45)
    assert stage.look.qemu(server.name) == pid
    stage.lab.host("mount", "--bind", "/bin/false", "/usr/sbin/libvirtd")
    try:
        stage.lab.host("pkill", "-9", "-f", "^/usr/sbin/libvirtd")
        until("status tells", lambda: any("libvirtd does not start" in each for each in stage.status()), 40)
        assert stage.lab.pings(address)
        patient = stage.create("patient")
        time.sleep(2)
    finally:
        stage.lab.host("umount", "/usr/sbin/libvirtd")
    stage.wait(patient, seconds=90)
    until("status is well", lambda: stage.status() == [], 30)
    assert (stage.look.qemu(server.name), stage.show(server)["status"]) == (pid, "ACTIVE")
    stage.delete(patient)
    stage.gone(patient)


def test_images_that_are_not_what_they_say(stage: Stage, tmp_path: Path) -> None:
    real = tmp_path / "real.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(real), "8M"], check=True)
    backed = tmp_path / "backed.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", str(backed), "8M"]
    subprocess.run(make, check=True)
    for declared, file in (("raw", real), ("qcow2", backed), ("vmdk", real), ("iso", real)):
        body = {"name": f"liar-{declared}", "disk_format": declared, "container_format": "bare"}
        made = stage.demo.post("image", "/images", body)["id"]
        with pytest.raises(Refused) as refused:
            stage.demo.put("image", f"/images/{made}/file", file.read_bytes())
        assert 400 <= refused.value.status < 500, refused.value
        shown = stage.demo.get("image", f"/images/{made}")
        assert shown["status"] in ("queued", "killed"), shown
        stage.demo.delete("image", f"/images/{made}")


def test_a_guest_reaches_nothing_that_is_not_its_own(stage: Stage, guest: tuple[Server, str], key: Path) -> None:
    server, address = guest
    lab = stage.lab
    until("ssh answers", lambda: lab.ssh(key, address, "echo in", check=False).strip() == "in", 90)
    told = lab.ssh(
        key,
        address,
        "curl -s -m 10 -H 'X-Forwarded-For: 172.16.1.1' -H 'X-Instance-ID: 1' -H 'X-Tenant-ID: 1' "
        "-H 'X-Neutron-Network-ID: 1' http://169.254.169.254/openstack/latest/meta_data.json",
    )
    assert json.loads(told)["uuid"] == server.id
    wanted = [f"172.16.1.1:{port}" for port in (9697, 80, 22)]
    provider = lab.host("sh", "-c", "ip -br addr show type veth | grep ^prv").split()[2].split("/")[0]
    ports = {line.split()[3].rsplit(":", 1)[1] for line in lab.host("ss", "-Htln").splitlines()}
    wanted += [f"{provider}:{port}" for port in sorted(ports)]
    loop = f"for each in {' '.join(wanted)}; do curl -s -o /dev/null -m 1 http://$each/ && echo $each; done; true"
    assert lab.ssh(key, address, loop).split() == []
    outside = stage.demo.get("network", f"/routers/{stage.router}")["router"]["external_gateway_info"]
    leg = outside["external_fixed_ips"][0]["ip_address"]
    for port in (80, 9697):
        assert lab.machine.run("curl", "-s", "-m", "2", f"http://{leg}:{port}/", check=False).returncode != 0
    lab.ssh(key, address, "sudo ip addr add 172.16.1.250/32 dev eth0")
    assert "100% packet loss" in lab.ssh(key, address, "ping -c1 -W2 -I 172.16.1.250 172.16.1.1; true")


def test_two_clouds_and_a_disk_that_fills(stage: Stage, guest: tuple[Server, str]) -> None:
    _, address = guest
    lab = stage.lab
    until("the guest answers", lambda: lab.pings(address), 90)
    small, state = "/run/small", Path("/run/small/cloud")
    lab.host("mkdir", small)
    file = str(lab.machine.folder / "small.ext4")
    lab.host("truncate", "-s", "3G", file)
    lab.host("mkfs.ext4", "-q", "-m", "0", file)
    lab.host("mount", "-o", "loop", file, small)
    alone = snapshot(lab)
    words = ["up", "--state", str(state), "--port-base", "21000", "--first-image", str(lab.image)]
    lab.cumulet(*words)
    second = Stage(lab, state)
    ours, theirs = (each.admin.get("network", "/subnets")["subnets"] for each in (stage, second))
    assert not {each["cidr"] for each in ours if each["cidr"].startswith("172.24")} & {each["cidr"] for each in theirs}
    empty = second.ledger()
    lab.host("sh", "-c", f"fallocate -l $(($(df --output=avail -B1 {small} | tail -1) - 12000000)) {small}/filler")
    until("status tells", lambda: any("MB are free" in each for each in second.status()), 25)
    with pytest.raises(Refused, match=r"503.*disk is nearly full"):
        second.create("full")
    assert second.demo.get("compute", "/servers")["servers"] == []
    lab.host("rm", f"{small}/filler")
    second.returns_to(empty)
    until("status is well", lambda: second.status() == [], 25)
    second.open("icmp")
    fits = second.create("fits")
    second.wait(fits)
    other = second.floating(fits)[1]
    until("the second cloud's guest answers", lambda: lab.pings(other), 90)
    until("the first one still does", lambda: lab.pings(address), 30)  # both are emulated: it may take its time
    lab.cumulet("down", "--state", str(state), "--purge")
    assert lab.pings(address)
    now = snapshot(lab)
    assert now == alone
    lab.host("umount", small)


def test_the_supervisor_is_killed(stage: Stage, guest: tuple[Server, str]) -> None:
    server, _ = guest
    pid = stage.look.qemu(server.name)
    stage.look.strike("supervisor")
    until("its children have ended", lambda: not stage.lab.status()["running"], 20)
    until("their ports are free", lambda: "127.0.0.1:8774" not in stage.lab.host("ss", "-Htln"), 20)
    stage.lab.cumulet("up")
    stage.wait(server)
    assert (stage.look.qemu(server.name), stage.look.starts(server.name)) == (pid, 1)


WIPE = """
pkill -9 qemu-system; pkill -9 libvirtd; pkill -9 dnsmasq; sleep 0.3
for each in $(ip netns | awk '{print $1}'); do ip netns del $each; done
for each in $(ip -br link | grep -oE '^(brq|prv|vxlan-|tap)[^@ ]*'); do ip link del $each 2>/dev/null; done
nft flush ruleset; ipset destroy; rm -rf /run/cumulet /run/libvirt; echo 0 > /proc/sys/net/ipv4/ip_forward
"""


def test_the_machine_is_switched_off_and_on(stage: Stage, guest: tuple[Server, str]) -> None:
    server, address = guest
    before, pid = stage.ledger(), stage.look.qemu(server.name)
    stage.lab.cumulet("down")
    stage.lab.host("sh", "-c", WIPE)
    stage.lab.cumulet("up")
    until("the guest is started", lambda: stage.look.qemu(server.name) not in ("", pid), 40)
    stage.wait(server)
    stage.returns_to(before)
    until("the guest answers", lambda: stage.lab.pings(address), 90)
    assert stage.look.starts(server.name) == 2


def test_down_up_and_purge(stage: Stage, guest: tuple[Server, str]) -> None:
    server, address = guest
    lab, look = stage.lab, stage.look
    until("the guest answers", lambda: lab.pings(address), 90)
    before, pid, starts = stage.ledger(), look.qemu(server.name), look.starts(server.name)
    assert "on, with their networks" in lab.cumulet("down")
    assert look.qemu(server.name) == pid
    until("the guest answers while the cloud is down", lambda: lab.pings(address), 10)
    lab.cumulet("up")
    shown = stage.wait(server)
    assert (look.qemu(server.name), look.starts(server.name), shown["status"]) == (pid, starts, "ACTIVE")
    stage.returns_to(before)
    lab.cumulet("down", "--purge")
    assert snapshot(lab) == stage.bare
    assert lab.host("sh", "-c", f"ls -d {STATE} /proc/{pid} 2>/dev/null || true") == ""
