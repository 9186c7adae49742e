"""A hypervisor that is away: servers wait for it for a while, and the controller is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cumulet.desired.hosts import HostFacts
from cumulet.node import real
from cumulet.node.guest.errors import HypervisorDown
from cumulet.node.kinds.guest import GuestPart
from cumulet.node.parts import NotYet


class Guests:
    """Guest parts on a libvirt that is away or not."""

    def __init__(self) -> None:
        self.away = False

    def host_numbers(self) -> Any:
        self.ensure()
        return SimpleNamespace(vcpus=2, memory_mb=512, disk_gb=9, hypervisor_version=7002000, cpu_info={})

    def ensure(self) -> str:
        if self.away:
            raise HypervisorDown("The host's hypervisor is not available.", "libvirtd does not start: why")
        return "made"


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    made = object.__new__(real.RealParts)
    made.__dict__.update(
        _guests=Guests(),
        _daemon=SimpleNamespace(problem="libvirtd does not start", note="confined"),
        _settings=SimpleNamespace(node_dir=tmp_path, node_name="here", node_tunnel_ip=None),
        _verdict=SimpleNamespace(sentence="no KVM"),
        _virt_type="qemu",
        _facts=None,
    )
    return made


def test_its_absence_changes_the_facts(parts: Any) -> None:
    before: list[HostFacts] = parts.facts()
    parts._guests.away = True
    now = parts.facts()
    assert before[0].problems == []
    assert now != before
    assert "libvirtd does not start" in now[0].problems[0]
    assert "\n" not in now[0].problems[0]
    assert (now[0].vcpus, now[0].memory_mb) == (2, 512)
    parts._guests.away = False
    assert parts.facts() == before


def test_servers_wait_for_it_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, guests = [100.0], Guests()
    part: Any = GuestPart(cast(Any, guests), cast(Any, None))
    monkeypatch.setattr("cumulet.node.kinds.guest.time.monotonic", lambda: clock[0])
    guests.away = True
    for clock[0] in (100.0, 130.0, 159.0):
        with pytest.raises(NotYet):
            part._patiently(guests.ensure)
    clock[0] = 161.0
    with pytest.raises(HypervisorDown):
        part._patiently(guests.ensure)
    guests.away = False
    assert part._patiently(guests.ensure) == "made"
    guests.away = True
    clock[0] = 200.0
    with pytest.raises(NotYet):
        part._patiently(guests.ensure)
