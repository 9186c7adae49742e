"""Text of a request that became rules and configuration of every host, or that one tenant stopped a network with.

The requests are those with which it was found; what the node does with such texts when they reach it all the same is
tried on its own functions, and where root and the programs are there, on the programs.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cumulet.cli import explain, problems, status
from cumulet.desired import texts
from cumulet.desired.addresses import Address, Route
from cumulet.desired.items import Item, Report
from cumulet.desired.network import Dhcp, DhcpHost, Network, Subnet
from cumulet.desired.port import AddressPair, Interface
from cumulet.desired.router import Router
from cumulet.desired.security_group import Rule, SecurityGroup
from cumulet.fleet.model import desired
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.net import groupsets, intake, leases, links, nat, router, rules, run, tables
from tests.assembled import Answer, Assembled
from tests.contract import text_requests
from tests.contract.text_requests import World

S1 = "fe80::1%lo -j RETURN\n-P FORWARD ACCEPT\n-F neutron-linuxbri-sg-chain\n-I INPUT 1 -s ::1 -j ACCEPT\n#/128"
VERSION = {"openstack-api-version": "compute 2.90"}


@dataclass
class Tenants:
    """A running cloud; *alice* has the project of the world, *bob* another one and sees what is shared."""

    world: World
    shared: str

    def ask(self, method: str, path: str, body: Any, *, bob: bool = False, service: str = "network") -> Answer:
        cloud = self.world.cloud
        headers = VERSION if service == "compute" else {}
        return cloud.ask(service, method, path, token=cloud.member if bob else cloud.admin, body=body, headers=headers)

    def refused(self, method: str, path: str, body: Any, words: str, **who: Any) -> None:
        answer = self.ask(method, path, body, **who)
        assert answer.status == 400, (answer.status, answer.body)
        message = next(iter(answer.json.values()))["message"]
        assert words in message, message


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    found = Assembled(tmp_path_factory.mktemp("texts") / "state")
    world = text_requests.build(found)
    body = {"network": {"shared": True}}
    shared = found.ask("network", "POST", "/v2.0/networks", token=found.admin, body=body).json["network"]["id"]
    subnet = {"subnet": {"network_id": shared, "ip_version": 4, "cidr": "10.44.0.0/24"}}
    assert found.ask("network", "POST", "/v2.0/subnets", token=found.admin, body=subnet).status == 201
    yield Tenants(world, shared)
    found.close()


# ---- S1: at the API


def test_a_port_may_not_write_the_hosts_firewall(cloud: Tenants) -> None:
    """Finding S1, cases 35 and 36."""
    network = cloud.world.ids["network"]
    for text, words in ((S1, "is not a valid IP subnet"), ("fe80::1%lo", "is not a valid IP address")):
        body = {"port": {"network_id": network, "allowed_address_pairs": [{"ip_address": text}]}}
        cloud.refused("POST", "/v2.0/ports", body, words)
        cloud.refused("PUT", f"/v2.0/ports/{cloud.world.ids['port']}", {"port": {**body["port"]}} | _pairs(text), words)


def _pairs(text: str) -> dict[str, Any]:
    return {"port": {"allowed_address_pairs": [{"ip_address": text}]}}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("cidr", "fe80:0:0:7::%abc\ndef/64", "is not a valid IP subnet"),
        ("dns_nameservers", ["fe80::53%x\nport=0"], "is not a valid nameserver"),
        ("host_routes", [{"destination": "fd00:9::%a\nb/64", "nexthop": "fd00::1"}], "is not a valid CIDR"),
        ("host_routes", [{"destination": "fd00:9::/64", "nexthop": "fe80::1%a\nb"}], "is not a valid IP address"),
        ("gateway_ip", "fd00::1%a\nb", "is not a valid IP address"),
        ("allocation_pools", [{"start": "fd00::5%a\nb", "end": "fd00::9"}], "is not a valid IP address"),
    ],
)
def test_a_subnet_may_not_write_the_dhcp_servers_files(cloud: Tenants, field: str, value: Any, words: str) -> None:
    """Finding S1, case 36."""
    subnet = {"network_id": cloud.world.ids["network"], "ip_version": 6, "cidr": "fd00::/64", field: value}
    cloud.refused("POST", "/v2.0/subnets", {"subnet": subnet}, words)


def test_a_router_may_not_write_the_hosts_routes(cloud: Tenants) -> None:
    """Finding S1, case 35."""
    path = f"/v2.0/routers/{cloud.world.ids['router']}"
    route = {"destination": "fd00:9::%a\nroute del default\n/64", "nexthop": "10.77.0.9"}
    cloud.refused("PUT", path, {"router": {"routes": [route]}}, "is not a valid CIDR")
    cloud.refused("PUT", f"{path}/add_extraroutes", {"router": {"routes": [route]}}, "is not a valid CIDR")


def test_a_server_may_not_bring_an_address_with_a_scope(cloud: Tenants) -> None:
    """Finding S1's class: the fixed IP of a create went the same way."""
    ids = cloud.world.ids
    text = "fd00:77::66%lo -j RETURN\n-P FORWARD ACCEPT\n#"
    server = {"name": "s", "flavorRef": ids["flavor"], "imageRef": ids["image"]}
    server["networks"] = [{"uuid": ids["network"], "fixed_ip": text}]  # type: ignore[assignment]
    cloud.refused("POST", "/v2.1/servers", {"server": server}, "is not a 'ip-address'", service="compute")
    plain = {**server, "networks": "none", "accessIPv6": "fe80::1%\nx"}
    cloud.refused("POST", "/v2.1/servers", {"server": plain}, "is not a 'ipv6'", service="compute")


# ---- S1: on the node

ID = str(uuid.UUID(int=5))
INTERFACE = Interface(
    port_id=ID,
    network_id=str(uuid.UUID(int=9)),
    mac="fa:16:3e:00:00:05",
    addresses=[Address(ip="10.0.0.5", subnet_id=ID, prefix=24)],
    security_groups=["g"],
    allowed_address_pairs=[AddressPair(ip=S1, mac="fa:16:3e:00:00:05"), AddressPair(ip="10.9.0.9", mac="")],
)
GROUPS = {"g": SecurityGroup(id="g", rules=[Rule(id="r", direction="ingress", protocol="icmp")])}


def _transaction(found: rules.PortRules) -> str:
    return tables.transaction("filter", tables.replace_chains(found.chains(6)))


def test_the_node_refuses_the_text_by_itself() -> None:
    """Finding S1: the port alone is closed when nobody left the pair out before."""
    with pytest.raises(ValueError, match="not an IP prefix"):
        rules.render(INTERFACE, GROUPS)


def test_the_node_leaves_the_text_out_and_says_so() -> None:
    """Finding S1: the other pair and the port's own address are what they were."""
    taken = intake.interface(INTERFACE)
    assert len(taken.left_out) == 1 and "\n" not in taken.left_out[0] and "-P FORWARD" in taken.left_out[0]
    text = _transaction(rules.render(taken.spec, GROUPS))
    assert "FORWARD" not in text and "%" not in text and "-s ::1" not in text
    assert "10.9.0.9/32" in str(rules.render(taken.spec, GROUPS).v4)


def _restored(tmp_path: Path, text: str) -> str:
    """What ip6tables says after it read the file, in a namespace that forwarded nothing before."""
    # The chains that a port's rules lead to, as they are on every host.
    heads = "".join(f":{name} - [0:0]\n" for name in ("neutron-linuxbri-sg-fallback", "neutron-linuxbri-sg-chain"))
    jump = "-A neutron-linuxbri-sg-chain -j ACCEPT\n"
    (tmp_path / "rules").write_text(text.replace("*filter\n", f"*filter\n{heads}{jump}", 1))
    script = f"ip6tables -P FORWARD DROP; ip6tables-restore --noflush < {tmp_path}/rules; ip6tables-save -t filter"
    done = subprocess.run(["unshare", "--net", "sh", "-ec", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_ip6tables_gets_no_rule_of_the_text(tmp_path: Path) -> None:
    """Finding S1, case 35: the file for ip6tables-restore, in a namespace of the test's own."""
    text = _transaction(rules.render(intake.interface(INTERFACE).spec, GROUPS))
    found = _restored(tmp_path, text)
    assert ":FORWARD DROP" in found and "-A INPUT" not in found
    assert "-A neutron-linuxbri-sg-chain -j ACCEPT" in found  # it was not flushed
    # As the text was rendered before: ip6tables has nothing against it.
    chain = "neutron-linuxbri-s" + ID[:10]
    evil = text.replace("COMMIT\n", f"-A {chain} -s {S1} -m mac --mac-source FA:16:3E:00:00:05 -j RETURN\nCOMMIT\n")
    found = _restored(tmp_path, evil)
    assert ":FORWARD ACCEPT" in found and "-A INPUT -s ::1/128 -j ACCEPT" in found
    assert "-A neutron-linuxbri-sg-chain -j ACCEPT" not in found


def test_writers_refuse_control_characters_by_themselves() -> None:
    """Finding S1: whatever was forgotten before them, nothing is written."""
    with pytest.raises(ValueError, match="control character"):
        tables.transaction("filter", ["-A x -j y\n-P FORWARD ACCEPT"])
    with pytest.raises(ValueError, match="control character"):
        run.run("true", stdin="a\rb")
    with pytest.raises(ValueError, match="control character"):
        run.run("true", "a\nb")
    with pytest.raises(ValueError, match="printable"):
        links.change([["route", "add", "10.0.0.0/8\nroute", "del"]])
    with pytest.raises(ValueError, match="one word"):
        links.change([["route", "add", "10.0.0.0/8 dev lo"]])
    assert groupsets.members(["fe80::1%lo\nflush x", "fd00::5"], 6) == {"fd00::5/128"}
    bad = Router(id=ID, routes=[Route(destination="fd00::%x\n/64", nexthop="::1")])
    with pytest.raises(ValueError, match="not an IP"):
        router.routes(bad)
    assert router.routes(intake.router(bad).spec) == {} and nat.render(bad)


def test_a_rule_of_another_program_is_carried_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters beyond ASCII in a remark of somebody else's rule stop nothing; what `splitlines` takes for an end of line
    does not cut it in two."""
    rule = '-m comment --comment "f\u00fcr \u2028 tap00000000-00" -j ACCEPT'
    saved = run.Done(0, f"*filter\n:X - [0:0]\n-A X {rule}\nCOMMIT\n", "")
    monkeypatch.setattr(tables, "run", lambda *_, **__: saved)
    assert tables.read(4).rules("filter", "X") == [rule]
    plain = rule.replace("\u2028", "")
    assert f"-A X {plain}\n" in tables.transaction("filter", [f"-A X {plain}"])


# ---- S6: DHCP options


@pytest.mark.parametrize("name", ["Z" * 65, "router\n", "", " ", "66\n", "a\x1b", "a\u2028b"])
def test_an_option_that_is_no_printable_line_is_refused(cloud: Tenants, name: str) -> None:
    """Finding S6, case 33: by another tenant, on a shared network."""
    body = {"port": {"network_id": cloud.shared, "extra_dhcp_opts": [{"opt_name": name, "opt_value": "x"}]}}
    cloud.refused("POST", "/v2.0/ports", body, "No valid key specs matched", bob=True)


@pytest.mark.parametrize("value", ["x\n", "a\nb", "\x1b", " ", "x" * 256])
def test_a_value_that_is_no_printable_line_is_refused(cloud: Tenants, value: str) -> None:
    """Finding S6's class."""
    body = {
        "port": {"network_id": cloud.shared, "extra_dhcp_opts": [{"opt_name": "server-ip-address", "opt_value": value}]}
    }
    cloud.refused("POST", "/v2.0/ports", body, "No valid key specs matched", bob=True)


_UNKNOWN = [(name, "x") for name in ("9999", "0", "a b", "\u0661\u0662", "-x", "test_option_1")]
_UNWRITABLE = [("server-ip-address", value) for value in ("\u00e4", "\U0001f600" * 200)]


@pytest.mark.parametrize("option", _UNKNOWN + _UNWRITABLE)
def test_an_option_that_no_dhcp_server_can_be_told_is_left_out(cloud: Tenants, option: tuple[str, str]) -> None:
    """Finding S6's class: Neutron takes it. 255 letters of four bytes are longer than the lines that dnsmasq reads, and
    what stands behind was a line of its own: the node leaves out the option alone, and says so."""
    given = [{"opt_name": name, "opt_value": value} for name, value in (("66", "a"), option)]
    body = {"port": {"network_id": cloud.shared, "extra_dhcp_opts": given}}
    answer = cloud.ask("POST", "/v2.0/ports", body, bob=True)
    assert answer.status == 201, answer.body
    with pytest.raises(ValueError, match="DHCP option"):
        leases.option_line(_host(7), *option)
    taken = intake.network(_network(_host(7, ("66", "a"), option)))
    assert len(taken.left_out) == 1 and "DHCP option" in taken.left_out[0]
    assert leases.options(taken.spec, frozenset()).count("tag:port-") == 1


@pytest.mark.parametrize("name", ["Foo", "Z" * 64, "server-ip-address", "255", "67"])
def test_an_option_that_the_api_takes_the_node_takes(cloud: Tenants, name: str) -> None:
    """Finding S6: names that dnsmasq does not know do no harm to it."""
    body = {"port": {"network_id": cloud.shared, "extra_dhcp_opts": [{"opt_name": name, "opt_value": "x"}]}}
    answer = cloud.ask("POST", "/v2.0/ports", body, bob=True)
    assert answer.status == 201, answer.body
    assert texts.option_name(name) == name


def test_a_port_has_a_number_of_options_that_a_dhcp_server_bears(cloud: Tenants) -> None:
    """Finding S6's class: dnsmasq goes through all options of all ports for each answer."""
    options = [{"opt_name": f"o{number}", "opt_value": "x"} for number in range(texts.MOST_OPTIONS + 1)]
    body = {"port": {"network_id": cloud.shared, "extra_dhcp_opts": options}}
    cloud.refused("POST", "/v2.0/ports", body, "exceeds the limit", bob=True)
    body["port"]["extra_dhcp_opts"] = options[1:]
    assert cloud.ask("POST", "/v2.0/ports", body, bob=True).status == 201
    host = _host(5, *[(f"o{number}", "x") for number in range(texts.MOST_OPTIONS + 5)])
    taken = intake.network(_network(host))
    assert "5 too many" in taken.left_out[0] and leases.options(taken.spec, frozenset()).count("tag:port-") == 100


def _network(*hosts: DhcpHost) -> Network:
    own = [Address(ip="10.0.0.2", subnet_id=str(uuid.UUID(int=1)), prefix=24)]
    subnet = Subnet(id=str(uuid.UUID(int=1)), cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
    dhcp = Dhcp(port_id=str(uuid.UUID(int=3)), mac="fa:16:3e:00:00:02", addresses=own, hosts=list(hosts))
    return Network(id=str(uuid.UUID(int=9)), segmentation_id=5, subnets=[subnet], dhcp=dhcp)


def _host(number: int, *options: tuple[str, str]) -> DhcpHost:
    own = [Address(ip=f"10.0.0.{number}", subnet_id=str(uuid.UUID(int=1)), prefix=24)]
    mac = f"fa:16:3e:00:01:{number:02x}"
    return DhcpHost(
        port_id=str(uuid.UUID(int=number)), mac=mac, hostname=f"h{number}", addresses=own, extra_opts=list(options)
    )


def test_one_tenants_option_stops_no_network() -> None:
    """Finding S6, case 33: of rows that were accepted before, the node leaves out the option, not the network."""
    bad = [(name, "x") for name in ("9999", "Z" * 65, "router\n")] + [("router", "a\nb"), ("66", "\U0001f600" * 241)]
    taken = intake.network(_network(_host(5, *bad, ("67", "a.pxe")), _host(6, ("bootfile-name", "b.pxe"))))
    assert len(taken.left_out) == len(bad) and all(reason.isascii() and "\n" not in reason for reason in taken.left_out)
    lines = leases.options(taken.spec, frozenset()).splitlines()
    assert [line.split(",", 1)[1] for line in lines if "tag:port-" in line] == [
        "67,a.pxe",
        "option:bootfile-name,b.pxe",
    ]
    assert leases.hosts(taken.spec).count("\n") == 2 and "h6" in leases.additional_hosts(taken.spec)


def test_a_line_is_no_longer_than_dnsmasq_reads() -> None:
    """Finding S6's class: even of parts that are good each by itself."""
    network = _network(_host(5))
    network.subnets[0].host_routes = [
        Route(destination=f"10.{number}.0.0/16", nexthop=f"10.0.0.{number}") for number in range(1, 100)
    ]
    with pytest.raises(ValueError, match="read as two"):
        leases.options(network, frozenset())
    taken = intake.network(network)
    assert "too many" in taken.left_out[0] and len(taken.spec.subnets[0].host_routes) > 20
    assert max(map(len, leases.options(taken.spec, frozenset()).splitlines())) < 1024


def test_options_of_ipv6_are_not_told_as_those_of_ipv4(cloud: Tenants) -> None:
    """Finding S6's class: 23 is a name server in one and a time to live in the other."""
    options = [{"opt_name": "23", "opt_value": "fd00::1", "ip_version": 6}, {"opt_name": "66", "opt_value": "a"}]
    body = {"port": {"network_id": cloud.world.ids["network"], "extra_dhcp_opts": options}}
    answer = cloud.ask("POST", "/v2.0/ports", body)
    assert answer.status == 201, answer.body
    from cumulet.services.network import door

    with cloud.world.cloud.controller.db.read() as tx:
        [spec] = door.RENDERERS["network"](tx, cloud.world.link_id, [cloud.world.ids["network"]]).values()
    [host] = [each for each in spec.dhcp.hosts if each.port_id == answer.json["port"]["id"]]  # type: ignore[attr-defined]
    assert host.extra_opts == [("66", "a")]


# ---- what is left out is said


class _Parts:
    """Parts that leave something out."""

    def ensure(self, _item: Item, _spec: Any, _world: Any) -> dict[str, Any]:
        return {"left_out": [f"DHCP option {number} left out" for number in range(25)]}

    def has(self, _guest_id: str) -> bool:
        return False

    def strays(self, _world: Any) -> list[Any]:
        return []

    def sweep(self, _world: Any) -> list[Any]:
        return []


class _Link:
    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.seen: Any = None


def test_the_report_says_what_was_left_out(tmp_path: Path) -> None:
    """Findings S1 and S6: the item is ready, and its detail says what is not."""
    agent = Agent(_Link(), _Parts(), Journal(tmp_path))  # type: ignore[arg-type]
    agent.reporter.put = said = _Said()  # type: ignore[method-assign]
    network = _network()
    agent._accept(Item(host="h", kind="network", ref=network.id, revision=1, spec=network))
    agent._converge(("network", network.id))
    agent._converge(("network", network.id))
    [report] = said.reports
    assert report.state == "ready" and report.error is None
    assert report.detail.startswith("DHCP option 0 left out; ") and report.detail.endswith("; and 5 more")


class _Said:
    def __init__(self) -> None:
        self.reports: list[Any] = []

    def __call__(self, report: Any) -> None:
        self.reports.append(report)


def test_the_operator_sees_what_was_left_out(cloud: Tenants) -> None:
    """Findings S1 and S6: in ``status`` without being a problem of the cloud, and in ``explain``."""
    ref, link_id = cloud.world.ids["network"], cloud.world.link_id
    with cloud.world.cloud.controller.db.transaction() as tx:
        [item] = desired.of_ref(tx, ref)
        detail = "DHCP option left out: not a DHCP option: '9999'"
        report = Report(
            host=item.host, kind="network", ref=ref, revision=item.revision, state="ready", error=None, detail=detail
        )
        assert desired.keep_reports(tx, link_id, [report], {"network": lambda *_: None}) == 1
        assert [desired.of_ref(tx, ref)[0].detail, desired.of_ref(tx, ref)[0].state] == [detail, "ready"]
        summary = desired.summary(tx)
    assert summary["left_out"] == [{"kind": "network", "ref": ref, "detail": detail}] and summary["failed"] == []
    shown = "\n".join(status._left_out_lines([{**summary["left_out"][0], "detail": f"{detail}\x1b[2J"}]))
    assert detail in shown and "\x1b" not in shown
    seen = problems.Seen(cloud.world.cloud.controller.settings, report={"nodes": [], "items": summary})
    assert problems.find(seen) == []
    subject = {"kind": "network", "id": ref, "name": "n", "timeline": [], "left_out": [f"{detail}\x1b"]}
    assert f"a host: {detail}" in explain.as_text({"subjects": [subject]})
    assert "\x1b" not in explain.as_text({"subjects": [subject]})


# ---- S16: the end of a text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("mac_address", "fa:16:3e:00:00:77\n", "is not a valid MAC address"),
        ("dns_name", "web\n", "not a valid PQDN or FQDN"),
        ("dns_domain", "example.org.\n", "not a valid PQDN or FQDN"),
        ("security_groups", [f"{ID}\n"], "is not a valid UUID"),
        ("extra_dhcp_opts", [{"opt_name": "router\n", "opt_value": "x"}], "No valid key specs matched"),
    ],
)
def test_a_port_takes_no_last_newline(cloud: Tenants, field: str, value: Any, words: str) -> None:
    """Finding S16."""
    cloud.refused("POST", "/v2.0/ports", {"port": {"network_id": cloud.world.ids["network"], field: value}}, words)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2.1/os-keypairs", {"keypair": {"name": "key\n", "public_key": text_requests.KEY}}),
        ("/v2.1/servers", {"server": {"name": "s\n", "networks": "none"}}),
        ("/v2.1/servers", {"server": {"name": "s", "hostname": "web\n", "networks": "none"}}),
        ("/v2.1/servers", {"server": {"name": "s", "metadata": {"a\n": "b"}, "networks": "none"}}),
        ("/v2.1/servers/$server/metadata", {"metadata": {"a\n": "b"}}),
        ("/v2.1/flavors/$flavor/os-extra_specs", {"extra_specs": {"a\n": "b"}}),
        ("/v2.1/flavors", {"flavor": {"name": "g", "ram": 1, "vcpus": 1, "disk": 1, "id": "x\n"}}),
    ],
)
def test_compute_takes_no_last_newline(cloud: Tenants, path: str, body: Any) -> None:
    """Finding S16."""
    ids = cloud.world.ids
    if "server" in body:
        body = {"server": {"flavorRef": ids["flavor"], "imageRef": ids["image"], **body["server"]}}
    for name in ("server", "flavor"):
        path = path.replace(f"${name}", ids[name])
    answer = cloud.ask("POST", path, body, service="compute")
    assert answer.status == 400, answer.body


def test_other_services_take_no_last_newline(cloud: Tenants) -> None:
    """Finding S16's class: patterns of placement, identity and image."""
    ask, token = cloud.world.cloud.ask, cloud.world.cloud.admin
    newest = {"openstack-api-version": "placement 1.39"}
    wrong = {"name": "CUSTOM_X\n"}
    assert ask("placement", "POST", "/resource_classes", token=token, body=wrong, headers=newest).status == 400
    assert ask("placement", "PUT", "/traits/CUSTOM_X%0A", token=token, headers=newest).status == 400
    tags = {"project": {"name": "x", "tags": ["a,b\n"]}}
    assert ask("identity", "POST", "/v3/projects", token=token, body=tags).status == 400
    assert ask("image", "POST", "/v2/images", token=token, body={"id": f"{ID}\n"}).status == 400


@pytest.mark.parametrize("digits", ["\u0661", "\u00b2", " 1", "1\n", "--1", "+1", "1_0", "9" * 5000])
def test_numbers_are_ascii_digits(cloud: Tenants, digits: str) -> None:
    """Finding S16's class: `int` and `isdigit` take more than digits, and not the same."""
    group = cloud.world.ids["group"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    rule |= {"port_range_min": digits, "port_range_max": digits}
    assert cloud.ask("POST", "/v2.0/security-group-rules", {"security_group_rule": rule}).status == 400
    rule = {"security_group_id": group, "direction": "ingress", "protocol": digits}
    assert cloud.ask("POST", "/v2.0/security-group-rules", {"security_group_rule": rule}).status == 400
    assert cloud.ask("POST", "/v2.0/networks", {"network": {"mtu": digits}}).status == 400
    cloudy, token = cloud.world.cloud, cloud.world.cloud.admin
    quota = {"quota_set": {"cores": digits}}
    project = "a" * 32
    path = f"/v2.1/os-quota-sets/{project}"
    assert cloudy.ask("compute", "PUT", path, token=token, body=quota).status == 400
    length = {"os-getConsoleOutput": {"length": digits}}
    path = f"/v2.1/servers/{cloud.world.ids['server']}/action"
    assert cloudy.ask("compute", "POST", path, token=token, body=length).status == 400
