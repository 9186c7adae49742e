"""The whole story of the first user, with the official client and a real guest, and what the manuals show."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import CUMULET, STATE, Lab, real, until
from tests.e2e.machine import OUTSIDE, Machine

pytestmark = real(1500)

USER_DATA = "#!/bin/sh\necho user-data ran as $(id -un) > /tmp/user-data\n"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Machine("stack") as machine:
        yield Lab(machine)


def snapshot(lab: Lab) -> dict[str, str]:
    """What a cloud could leave on a machine."""
    rules = "iptables-save; ip6tables-save; iptables-save -t nat; nft list tables"
    saved = lab.host("sh", "-c", rules)
    plain = re.sub(r"\[\d+:\d+\]|^#.*$", "", saved, flags=re.M)
    return {
        "links": lab.host("sh", "-c", "ip -br link | awk '{print $1}'"),
        "namespaces": lab.host("ip", "netns"),
        "rules": "\n".join(line for line in plain.splitlines() if line.startswith(("-A", ":neutron"))),
        "processes": lab.host("sh", "-c", "ps -eo comm= | grep -E 'qemu|dnsmasq|libvirtd|cumulet' || true"),
        "mounts": lab.host("sh", "-c", "cut -d' ' -f2 /proc/mounts | sort"),
        "user": lab.host("sh", "-c", "getent passwd cumulet || true"),
        "state": lab.host("sh", "-c", "ls -d /var/lib/cumulet || true"),
    }


def test_the_first_user(lab: Lab, tmp_path: Path) -> None:
    before = snapshot(lab)
    _up(lab)
    _what_is_left_for_the_first_user(lab)
    key = _prepare(lab, tmp_path)
    address = _first_server(lab, key)
    _credentials(lab)
    _inside(lab, key, address)
    _on_the_host(lab)
    _operators_views(lab)
    _lifecycle(lab, key, address)
    _down_and_up(lab, key, address)
    _delete(lab)
    assert lab.leaks() == []
    lab.cumulet("down", "--purge")
    assert snapshot(lab) == before


def _up(lab: Lab) -> None:
    said = lab.up()
    assert "The cloud is up" in said
    assert "admin-openrc" in said
    assert "already up" in lab.cumulet("up")
    for name in ("admin-openrc", "demo-openrc", "clouds.yaml"):
        assert lab.host("stat", "-c", "%a", str(STATE / name)).strip() == "600"
    owner = lab.host("sh", "-c", "ps -eo user=,args= | grep '[s]erve controller'").split()[0]
    assert owner == "cumulet"
    status = lab.status()
    assert status["problems"] == []
    assert any("emulated" in note or "kvm" in note.lower() for node in status["nodes"] for note in node["notes"])


def _what_is_left_for_the_first_user(lab: Lab) -> None:
    assert {row["Name"] for row in lab.admin("project", "list")} >= {"admin", "demo", "service"}
    assert {row["Name"] for row in lab.admin("role", "list")} >= {"admin", "manager", "member", "reader", "service"}
    assert {row["Name"] for row in lab.demo("flavor", "list")} >= {"m1.nano", "m1.tiny", "m1.small"}
    assert [row["Status"] for row in lab.demo("image", "list")] == ["active"]
    assert {row["Name"] for row in lab.demo("network", "list")} == {"provider", "selfservice"}
    assert [(row["Name"], row["Status"]) for row in lab.demo("router", "list")] == [("router", "ACTIVE")]
    types = {row["Type"] for row in lab.admin("catalog", "list")}
    assert types >= {"identity", "image", "compute", "placement", "network"}


def _prepare(lab: Lab, folder: Path) -> Path:
    """The manuals' preparations: a flavor, an image from a file, a key, rules."""
    flavor = lab.admin("flavor", "create", "--ram", "128", "--disk", "1", "--vcpus", "1", "--id", "6", "m1.labs")
    assert (flavor["ram"], flavor["disk"], flavor["vcpus"], flavor["OS-FLV-EXT-DATA:ephemeral"]) == (128, 1, 1, 0)
    words = ["--disk-format", "qcow2", "--container-format", "bare", "--public", "--file", str(lab.image)]
    image = lab.admin("image", "create", "lab-image", *words)
    shown = lab.demo("image", "show", "lab-image")
    assert (shown["status"], shown["size"]) == ("active", lab.image.stat().st_size)
    assert image["id"] == shown["id"]
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    lab.demo("keypair", "create", "--public-key", f"{key}.pub", "mykey")
    assert [row["Name"] for row in lab.demo("keypair", "list")] == ["mykey"]
    return key


def _first_server(lab: Lab, key: Path) -> str:
    data = key.parent / "user-data"
    data.write_text(USER_DATA)
    words = ["--flavor", "m1.labs", "--image", "lab-image", "--network", "selfservice", "--key-name", "mykey"]
    made = lab.demo("server", "create", *words, "--user-data", str(data), "my_vm")
    assert made["name"] == "my_vm"
    assert made["status"] in ("BUILD", "ACTIVE")

    def active() -> bool:
        status = lab.demo("server", "show", "my_vm")["status"]
        assert status in ("BUILD", "ACTIVE"), lab.cumulet("explain", "my_vm", check=False)
        return bool(status == "ACTIVE")

    until("my_vm is ACTIVE", active, 60)
    shown = lab.admin("server", "show", made["id"])
    assert shown["OS-EXT-SRV-ATTR:instance_name"] == "instance-00000001"
    assert shown["OS-EXT-SRV-ATTR:hypervisor_hostname"] == "stack"
    assert shown["OS-EXT-STS:vm_state"] == "active"
    assert shown["addresses"]["selfservice"][0].startswith("172.16.1.")
    floating = lab.demo("floating", "ip", "create", "provider")
    assert (floating["status"], floating["fixed_ip_address"]) == ("DOWN", None)
    address = str(floating["floating_ip_address"])
    lab.quiet("cumulet", "server", "add", "floating", "ip", "my_vm", address)
    rows = lab.demo("server", "list")
    assert rows[0]["Networks"]["selfservice"][1] == address
    until("the guest says that it is ready", lambda: "guest ready" in lab.demo("console", "log", "show", "my_vm"), 120)
    assert not lab.pings(address), "nothing may come in before there is a rule"
    lab.demo("security", "group", "rule", "create", "--proto", "icmp", "default")
    until("ping is answered", lambda: lab.pings(address), 10, 0.1)
    lab.demo("security", "group", "rule", "create", "--proto", "tcp", "--dst-port", "22", "default")
    until("ssh answers", lambda: "my-vm" in lab.ssh(key, address, "hostname", check=False), 60)
    return address


def _credentials(lab: Lab) -> None:
    """What is handed out once; a later step looks for it in all logs."""
    lab.secrets["a token"] = lab.demo("token", "issue")["id"]
    made = lab.demo("application", "credential", "create", "app")
    lab.secrets["an application credential"] = {name.lower(): value for name, value in made.items()}["secret"]
    lab.secrets["an EC2 secret"] = lab.demo("ec2", "credentials", "create")["secret"]
    lab.secrets["a token to join with"] = lab.host(CUMULET, "token").strip()


def _inside(lab: Lab, key: Path, address: str) -> None:
    assert lab.ssh(key, address, "cat /tmp/user-data").strip() == "user-data ran as root"
    base = "http://169.254.169.254"
    tree = lab.ssh(key, address, f"curl -s {base}/latest/meta-data/")
    assert {"ami-id", "hostname", "instance-id", "local-ipv4", "public-keys/"} <= set(tree.split())
    assert lab.ssh(key, address, f"curl -s {base}/latest/meta-data/local-ipv4").startswith("172.16.1.")
    assert lab.ssh(key, address, f"curl -s {base}/latest/meta-data/public-ipv4").strip() == address
    told = json.loads(lab.ssh(key, address, f"curl -s {base}/openstack/latest/meta_data.json"))
    assert (told["name"], list(told["public_keys"])) == ("my_vm", ["mykey"])
    assert lab.ssh(key, address, f"curl -s {base}/openstack/latest/user_data") == USER_DATA
    assert lab.ssh(key, address, f"curl -s http://{OUTSIDE}/").strip() == "hello from outside"
    assert lab.ssh(key, address, "df -m / | tail -1 | awk '{print $2}'").strip() > "500"


def _on_the_host(lab: Lab) -> None:
    assert re.search(r"instance-00000001\s+running", lab.host("virsh", "list"))
    network = lab.demo("network", "show", "selfservice")["id"]
    router = lab.demo("router", "show", "router")["id"]
    namespaces = lab.host("ip", "netns")
    assert f"qdhcp-{network}" in namespaces
    assert f"qrouter-{router}" in namespaces
    port = lab.demo("port", "list", "--server", "my_vm")[0]["ID"]
    bridges = lab.host("brctl", "show")
    assert f"brq{network[:11]}" in bridges
    assert f"tap{port[:11]}" in bridges
    assert re.search(r"vxlan-\d+", bridges)
    chains = lab.host("iptables", "-S")
    for letter in "ios":
        assert f"-N neutron-linuxbri-{letter}{port[:10]}" in chains
    assert f"-A neutron-linuxbri-i{port[:10]} -p icmp -j RETURN" in chains
    assert f"-A neutron-linuxbri-i{port[:10]} -p tcp -m tcp --dport 22 -j RETURN" in chains
    nat = lab.host("ip", "netns", "exec", f"qrouter-{router}", "iptables", "-L", "-n", "-t", "nat")
    address = lab.demo("floating", "ip", "list")[0]["Floating IP Address"]
    assert len(re.findall(rf"DNAT\s.*{address}\s+to:172\.16\.1\.", nat)) == 2
    assert re.search(rf"SNAT\s.*to:{address}", nat)
    legs = lab.demo("port", "list", "--router", "router")
    assert len(legs) == 2 or len(legs) == 1


def _operators_views(lab: Lab) -> None:
    agents = {row["Binary"]: row for row in lab.admin("network", "agent", "list")}
    wanted = {"neutron-linuxbridge-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent"}
    assert set(agents) == wanted
    assert all(row["Alive"] is True and row["Host"] == "stack" for row in agents.values())
    services = {(row["Binary"], row["State"]) for row in lab.admin("compute", "service", "list")}
    assert ("nova-compute", "up") in services
    assert [row["Hypervisor Hostname"] for row in lab.admin("hypervisor", "list")] == ["stack"]
    assert lab.admin("hypervisor", "stats", "show")["running_vms"] == 1
    assert len(lab.admin("endpoint", "list")) >= 15
    assert {row["Alias"] for row in lab.admin("extension", "list", "--network")} >= {"router", "security-group"}
    url = lab.demo("console", "url", "show", "--novnc", "my_vm")["url"]
    lab.secrets["a console's token"] = url.rpartition("%3D")[2]
    page = lab.host("curl", "-s", url)
    assert "noVNC" in page
    assert "my_vm" in lab.cumulet("explain", "my_vm")


def _lifecycle(lab: Lab, key: Path, address: str) -> None:
    def status() -> str:
        return str(lab.demo("server", "show", "my_vm")["status"])

    lab.quiet("cumulet", "server", "stop", "my_vm")
    until("my_vm is SHUTOFF", lambda: status() == "SHUTOFF", 90)
    assert "running" not in lab.host("virsh", "list")
    assert lab.demo("server", "stop", "my_vm", check=False)[0] != 0
    lab.quiet("cumulet", "server", "start", "my_vm")
    until("my_vm is ACTIVE", lambda: status() == "ACTIVE", 60)
    until("ssh answers again", lambda: lab.ssh(key, address, "uptime", check=False), 90)
    boot = lab.ssh(key, address, "cat /proc/sys/kernel/random/boot_id")
    lab.quiet("cumulet", "server", "reboot", "--hard", "my_vm")
    until("my_vm is ACTIVE", lambda: status() == "ACTIVE", 60)
    until(
        "it has rebooted",
        lambda: lab.ssh(key, address, "cat /proc/sys/kernel/random/boot_id", check=False) not in ("", boot),
        90,
    )


def _down_and_up(lab: Lab, key: Path, address: str) -> None:
    boot = lab.ssh(key, address, "cat /proc/sys/kernel/random/boot_id")
    assert "guest" in lab.cumulet("down")
    assert lab.pings(address), "guests run on while the cloud is down"
    begun = time.monotonic()
    lab.cumulet("up")
    assert time.monotonic() - begun < 60
    assert lab.demo("server", "show", "my_vm")["status"] == "ACTIVE"
    assert lab.ssh(key, address, "cat /proc/sys/kernel/random/boot_id") == boot


def _delete(lab: Lab) -> None:
    port = lab.demo("port", "list", "--server", "my_vm")[0]["ID"]
    lab.quiet("cumulet", "server", "delete", "--wait", "my_vm")
    until("it is gone", lambda: lab.demo("server", "list") == [], 30)
    assert "instance-00000001" not in lab.host("virsh", "list", "--all")
    until("its tap is gone", lambda: f"tap{port[:11]}" not in lab.host("ip", "-br", "link"), 10)
    assert port[:10] not in lab.host("iptables", "-S")
    assert lab.demo("floating", "ip", "list")[0]["Fixed IP Address"] is None
