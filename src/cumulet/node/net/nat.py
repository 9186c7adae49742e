"""The tables inside a router's namespace as ``iptables-restore`` text: pure functions.

The namespace belongs to one router, so its tables are always written as a whole.
"""

from __future__ import annotations

from cumulet.desired import texts
from cumulet.desired.router import Router
from cumulet.node.net import names

_L3 = names.L3
_REMARK = '-m comment --comment "Perform source NAT on outgoing traffic."'


def render(router: Router) -> str:
    """The filter, mangle and nat tables of a router (IPv4)."""
    return _filter() + _mangle(router) + _nat(router)


SOURCES6 = "*raw\n-A PREROUTING ! -i lo -m rpfilter --invert -j DROP\nCOMMIT\n"
"""IPv6's rp_filter, which is no setting there: what comes in through a leg must come from behind it."""


def _table(name: str, chains: list[str], lines: list[str], hooks: list[str]) -> str:
    declared = [f":{chain} - [0:0]" for chain in chains]
    jumps = [f"-A {hook} -j {_L3}-{hook}" for hook in hooks]
    return texts.lines([f"*{name}", *declared, *jumps, *lines, "COMMIT"])


def _filter() -> str:
    """The metadata proxy's port is open to what came in by the redirect only."""
    hooks = ["INPUT", "FORWARD", "OUTPUT"]
    return _table(
        "filter",
        [f"{_L3}-{hook}" for hook in hooks],
        [
            f"-A {_L3}-INPUT -m mark --mark 0x1/0xffff -j ACCEPT",
            f"-A {_L3}-INPUT -p tcp -m tcp --dport {names.METADATA_PORT} -j DROP",
        ],
        hooks,
    )


def _mangle(router: Router) -> str:
    lines = [
        f"-A {_L3}-PREROUTING -d {names.METADATA_ADDRESS}/32 -i qr-+ -p tcp -m tcp --dport 80 "
        "-j MARK --set-xmark 0x1/0xffff"
    ]
    if router.gateway:
        device = names.gateway_device(router.gateway.port_id)
        lines.append(f"-A {_L3}-PREROUTING -i {device} -j MARK --set-xmark 0x2/0xffff")
    return _table("mangle", [f"{_L3}-PREROUTING"], lines, ["PREROUTING"])


def _nat(router: Router) -> str:
    hooks = ["PREROUTING", "OUTPUT", "POSTROUTING"]
    chains = [*[f"{_L3}-{hook}" for hook in hooks], f"{_L3}-float-snat", f"{_L3}-snat"]
    lines = [f"-A POSTROUTING -j {names.POSTROUTING_BOTTOM}"]
    lines.append(
        f"-A {_L3}-PREROUTING -d {names.METADATA_ADDRESS}/32 -i qr-+ -p tcp -m tcp --dport 80 "
        f"-j REDIRECT --to-ports {names.METADATA_PORT}"
    )
    if router.gateway:
        device = names.gateway_device(router.gateway.port_id)
        lines.append(f"-A {_L3}-POSTROUTING ! -o {device} -m conntrack ! --ctstate DNAT -j ACCEPT")
    for each in router.floating_ips:
        floating, fixed = texts.of_version(each.floating_ip, 4), texts.of_version(each.fixed_ip, 4)
        lines += [
            f"-A {_L3}-OUTPUT -d {floating}/32 -j DNAT --to-destination {fixed}",
            f"-A {_L3}-PREROUTING -d {floating}/32 -j DNAT --to-destination {fixed}",
            f"-A {_L3}-float-snat -s {fixed}/32 -j SNAT --to-source {floating}",
        ]
    lines.append(f"-A {_L3}-snat -j {_L3}-float-snat")
    lines += _default_snat(router)
    lines.append(f"-A {names.POSTROUTING_BOTTOM} {_REMARK} -j {_L3}-snat")
    return _table("nat", [*chains, names.POSTROUTING_BOTTOM], lines, hooks)


def _default_snat(router: Router) -> list[str]:
    gateway = router.gateway
    if gateway is None or not router.enable_snat:
        return []
    own = [ip for each in gateway.addresses if (ip := texts.address(each.ip)).version == 4]
    if not own:
        return []
    source = f"-j SNAT --to-source {own[0]}"
    return [
        f"-A {_L3}-snat -o {names.gateway_device(gateway.port_id)} {source}",
        # A guest that reaches a neighbour by its floating IP must get the answer through the router.
        f"-A {_L3}-snat -m mark ! --mark 0x2/0xffff -m conntrack --ctstate DNAT {source}",
    ]
