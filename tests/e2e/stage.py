"""A running cloud as tests of mending need it: clients, an onlooker, servers in one call, a ledger of all it holds."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.lab import CUMULET, STATE, Lab, until
from tests.e2e.onlooker import Onlooker
from tests.e2e.wire import Client, Refused

LEDGER = """
ip -o link | sed -E 's/^[0-9]+: ([^:@]*)\\S* .* (master \\S+)? ?state (\\S+).*/link \\1 \\2 \\3/' | sort
ip netns | sed 's/ .*//; s/^/netns /' | sort
iptables -S | sort; ip6tables -S | sort; iptables -t raw -S | sort; iptables -t nat -S | sort
nft list ruleset bridge | grep tap | sort
ipset save 2>/dev/null | sed 's/ hashsize.*//' | sort
virsh list --all --name | sort
for each in instances vnc journal made; do (cd STATE/node/$each && find . -type f -o -type s | sort); done
echo qemu $(pgrep -c qemu-system) dnsmasq $(pgrep -c dnsmasq) libvirtd $(pgrep -c libvirtd)
cat /run/cumulet/*/dhcp/*/host | sort
for each in $(ip netns | grep -o 'qrouter-[^ ]*'); do
    ip netns exec $each iptables -t nat -S | sort
    ip -n $each -br addr | sed 's/@[^ ]*//' | sort
    ip -n $each route | sort
done
"""


@dataclass
class Server:
    """A server that a test made. `name` is libvirt's."""

    id: str
    name: str
    port: str
    fixed: str

    @property
    def tap(self) -> str:
        return f"tap{self.port[:11]}"


class Stage:
    """A cloud that is up in `state`."""

    def __init__(self, lab: Lab, state: Path = STATE) -> None:
        self.lab, self.state = lab, state
        self.bare: dict[str, str] = {}
        self.look = Onlooker(lab.machine, state)
        self.demo, self.admin = (Client(lab.machine, user, state) for user in ("demo", "admin"))
        self.image = self.demo.get("image", "/images?name=cirros")["images"][0]["id"]
        networks = {each["name"]: each for each in self.demo.get("network", "/networks")["networks"]}
        self.network, self.provider = networks["selfservice"]["id"], networks["provider"]["id"]
        self.router = self.demo.get("network", "/routers")["routers"][0]["id"]

    # ---- servers ------------------------------------------------------------------------------------------------

    def create(self, title: str, **more: Any) -> Server:
        """A server of 128 MB on demo's network; it returns at once, in BUILD."""
        body = {"name": title, "flavorRef": "42", "imageRef": self.image, "networks": [{"uuid": self.network}]}
        made = self.demo.post("compute", "/servers", {"server": body | more})["server"]["id"]
        name = self.admin.get("compute", f"/servers/{made}")["server"]["OS-EXT-SRV-ATTR:instance_name"]
        ports = self.demo.get("network", f"/ports?device_id={made}")["ports"]
        assert len(ports) == 1, ports
        return Server(made, name, ports[0]["id"], ports[0]["fixed_ips"][0]["ip_address"])

    def show(self, server: Server) -> dict[str, Any]:
        return dict(self.admin.get("compute", f"/servers/{server.id}")["server"])

    def wait(self, server: Server, status: str = "ACTIVE", seconds: float = 60) -> dict[str, Any]:
        """Until the server has that status and no task; ERROR meanwhile fails."""

        def there() -> dict[str, Any] | None:
            shown = self.show(server)
            assert shown["status"] in (status, "BUILD", "ACTIVE", "REBOOT", "HARD_REBOOT"), shown.get("fault")
            return shown if shown["status"] == status and shown["OS-EXT-STS:task_state"] is None else None

        return dict(until(f"{server.name} is {status}", there, seconds, 0.1))

    def delete(self, server: Server) -> None:
        self.demo.delete("compute", f"/servers/{server.id}")

    def gone(self, server: Server, seconds: float = 60) -> None:
        """Until the API knows it no more."""

        def away() -> bool:
            try:
                self.show(server)
            except Refused as error:
                return error.status == 404
            return False

        until(f"{server.name} is gone", away, seconds, 0.1)

    def act(self, server: Server, **action: Any) -> None:
        self.demo.post("compute", f"/servers/{server.id}/action", action)

    def floating(self, server: Server) -> tuple[str, str]:
        """A new floating IP on the server: its id and address."""
        body = {"floatingip": {"floating_network_id": self.provider, "port_id": server.port}}
        made = self.demo.post("network", "/floatingips", body)["floatingip"]
        return made["id"], made["floating_ip_address"]

    def open(self, protocol: str, port: int | None = None) -> None:
        """A rule for all, in demo's default group."""
        group = self.demo.get("network", "/security-groups?name=default")["security_groups"][0]["id"]
        rule = {"security_group_id": group, "direction": "ingress", "protocol": protocol, "ethertype": "IPv4"}
        if port:
            rule |= {"port_range_min": port, "port_range_max": port}
        self.demo.post("network", "/security-group-rules", {"security_group_rule": rule})

    def status(self) -> list[str]:
        """The problems that `cumulet status` tells of, but for processes that were started again: tests end them."""
        done = self.lab.machine.run(CUMULET, "status", "--state", str(self.state), "--json", check=False)
        details = json.loads(done.stdout)["details"]
        return [each["sentence"] for each in details if each["code"] != "restarts"]

    # ---- what there is ------------------------------------------------------------------------------------------

    def router_nat(self) -> str:
        return self.lab.host("ip", "netns", "exec", f"qrouter-{self.router}", "iptables", "-t", "nat", "-S")

    def look_once(self) -> list[str]:
        """All that this cloud has on the host and in its books, in an order of its own."""
        host = self.lab.host("sh", "-c", LEDGER.replace("STATE", str(self.state)))
        books: dict[str, Any] = {
            "ports": sorted(each["id"] for each in self.admin.get("network", "/ports")["ports"]),
            "floating": sorted(each["id"] for each in self.admin.get("network", "/floatingips")["floatingips"]),
            "servers": sorted(each["id"] for each in self.demo.get("compute", "/servers")["servers"]),
            "limits": self.demo.get("compute", "/limits")["limits"]["absolute"],
        }
        for provider in self.admin.get("placement", "/resource_providers")["resource_providers"]:
            books["usages"] = self.admin.get("placement", f"/resource_providers/{provider['uuid']}/usages")["usages"]
        return [*host.splitlines(), *json.dumps(books, indent=1, sort_keys=True).splitlines()]

    def ledger(self) -> list[str]:
        """What the machine has when it has come to rest: the same at two looks, two seconds apart."""
        now = self.look_once()
        while True:
            time.sleep(2)
            last, now = now, self.look_once()
            if now == last:
                return now

    def returns_to(self, before: list[str], seconds: float = 45) -> None:
        """Until the ledger says what it said before; what differs is the failure."""
        end = time.monotonic() + seconds
        while (now := self.look_once()) != before:
            more, less = Counter(now) - Counter(before), Counter(before) - Counter(now)
            assert time.monotonic() < end, f"left over: {sorted(more.elements())}\nlost: {sorted(less.elements())}"
            time.sleep(0.5)
