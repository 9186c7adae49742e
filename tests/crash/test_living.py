"""A real simulated cloud: quota and room under a hundred at once, a node that is away, and why no host was found."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from cumulet.cli.api_client import ApiError
from cumulet.services.network.tables import addresses
from tests.crash.consistency import guests_of
from tests.crash.living import HOSTS, LivingCloud, cumulet, living

VCPUS = 2
ROOM = HOSTS * VCPUS * 4  # processors are shared by four


@pytest.fixture(scope="module")
def cloud() -> Iterator[LivingCloud]:
    with living({"vcpus": VCPUS, "memory_mb": 1536, "disk_gb": 100}) as found:
        yield found


def limit(cloud: LivingCloud, **values: int) -> None:
    body = {"quota_set": {"instances": -1, "cores": -1, "ram": -1, **values}}
    cloud.admin.request("PUT", "compute", f"/os-quota-sets/{cloud.demo.project_id}", body)


def at_once(count: int, work: Any) -> Counter[int]:
    """Call `work(0…count-1)` on 20 threads: how often each status came (202 when all was well)."""

    def one(number: int) -> int:
        try:
            work(number)
        except ApiError as error:
            return error.code
        return 202

    with ThreadPoolExecutor(20) as pool:
        return Counter(pool.map(one, range(count)))


def test_a_hundred_creates_at_once_pass_no_quota(cloud: LivingCloud) -> None:
    limit(cloud, instances=30)
    assert at_once(100, lambda n: cloud.create(f"q{n}", "0")) == {202: 30, 403: 70}
    cloud.at_rest()
    ids = [server["id"] for server in cloud.servers()]
    assert len(ids) == 30

    def replace(number: int) -> None:
        """Delete one, twice at once, while others create: what is freed is freed once."""
        server = ids[number // 2 % 30]
        if number % 3:
            cloud.gone(lambda: cloud.demo.request("DELETE", "compute", f"/servers/{server}"))
        else:
            cloud.create(f"r{number}", "0")

    assert set(at_once(100, replace)) <= {202, 403}
    cloud.at_rest()
    assert len(cloud.servers()) <= 30
    cloud.delete_all()
    limit(cloud)
    cloud.at_rest()


def test_parallel_creates_overcommit_no_host_and_double_no_address(cloud: LivingCloud) -> None:
    """100 hosts have room for 1024 MiB each: two of 512. 210 servers are ten too many."""
    assert at_once(210, lambda n: cloud.create(f"p{n}", "1")) == {202: 210}
    cloud.at_rest()
    found = cloud.servers()
    assert Counter(server["status"] for server in found) == {"ACTIVE": 200, "ERROR": 10}
    assert set(Counter(guest.host for guest in guests_of(cloud.settings.node_dir / "world")).values()) == {2}
    with cloud.db.read() as tx:
        total = tx.scalar(select(func.count()).select_from(addresses))
        assert tx.scalar(select(func.count(func.distinct(addresses.c.ip_address)))) == total > 200
    cloud.delete_all()
    cloud.at_rest()


def test_a_node_that_is_away_cleans_up_when_it_is_back(cloud: LivingCloud) -> None:
    ids = [cloud.create(f"away{number}") for number in range(10)]
    cloud.at_rest()
    host = cloud.admin.request("GET", "compute", f"/servers/{ids[0]}")["server"]["OS-EXT-SRV-ATTR:host"]
    services = cloud.admin.request("GET", "compute", f"/os-services?binary=nova-compute&host={host}")["services"]
    assert cloud.signal("node", signal.SIGSTOP)
    try:
        force(cloud, host, services[0], down=True)
        cloud.demo.request("DELETE", "compute", f"/servers/{ids[0]}")
        with pytest.raises(ApiError) as gone:
            cloud.demo.request("GET", "compute", f"/servers/{ids[0]}")
        assert gone.value.code == 404, "a host that is down is not waited for"
        for server in ids[1:]:
            cloud.demo.request("DELETE", "compute", f"/servers/{server}")
        assert len(cloud.servers()) == 9
        assert len(guests_of(cloud.settings.node_dir / "world")) == 10
        assert cloud.signal("node", signal.SIGKILL)
    finally:
        cloud.signal("node", signal.SIGCONT)
    cloud.until(lambda: not cloud.servers(), "the node is back and has cleaned up")
    cloud.at_rest()
    force(cloud, host, services[0], down=False)


def force(cloud: LivingCloud, host: str, service: dict[str, Any], *, down: bool) -> None:
    """Fence a host, as an operator does; PUT os-services of 2.1's form."""
    body = {"host": host, "binary": service["binary"], "forced_down": down}
    headers = {"X-Auth-Token": cloud.admin.token, "OpenStack-API-Version": "compute 2.11"}
    import httpx

    answer = httpx.put(f"{cloud.admin.url('compute')}/os-services/force-down", json=body, headers=headers)
    assert answer.status_code == 200, answer.text


def test_explain_says_which_host_failed_which_filter_by_how_much(cloud: LivingCloud) -> None:
    flavor = {"id": "huge", "name": "huge", "ram": 4096, "vcpus": 1, "disk": 1}
    cloud.admin.request("POST", "compute", "/flavors", {"flavor": flavor})
    server = cloud.create("too-big", "huge")
    told = cumulet(cloud.state, "explain", server)
    assert told.returncode == 0, told.stderr
    assert "No valid host was found" in told.stdout
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert "sim-0001: RamFilter: MEMORY_MB: needs 4096, has 1152 free" in lines
    assert len([line for line in lines if ": RamFilter: " in line]) == 50
    assert any(line.startswith("50 more hosts") for line in lines)
    cloud.delete_all()
