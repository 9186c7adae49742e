"""What holds whatever happens: no address twice, no quota passed, no row missed by paging."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.network.conftest import Cloud

RELAXED = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@RELAXED
@given(seed=st.integers(0, 2**32), prefix=st.sampled_from([28, 27, 26]))
def test_an_address_is_never_given_twice(cloud: Cloud, seed: int, prefix: int) -> None:
    dice = random.Random(seed)
    network, subnet = cloud.network(cidr=f"10.{dice.randrange(100, 110)}.0.0/{prefix}")
    size = 2 ** (32 - prefix) - 4
    alive: dict[str, str] = {}
    with cloud.client() as client:
        for _ in range(80):
            if alive and dice.random() < 0.4:
                assert client.delete(f"/v2.0/ports/{alive.popitem()[1]}").status_code == 204
                continue
            answer = client.post("/v2.0/ports", json={"port": {"network_id": network["id"]}})
            if len(alive) == size:
                assert answer.status_code == 409
                continue
            assert answer.status_code == 201, answer.text
            ip = answer.json()["port"]["fixed_ips"][0]["ip_address"]
            assert ip not in alive
            assert ip != subnet["gateway_ip"]
            alive[ip] = answer.json()["port"]["id"]
        found = client.get(f"/v2.0/ports?network_id={network['id']}").json()["ports"]
    counted = Counter(fixed["ip_address"] for port in found for fixed in port["fixed_ips"])
    assert max(counted.values()) == 1
    assert len(counted) == len(alive) + 1


def test_addresses_from_many_at_once(cloud: Cloud) -> None:
    network, _ = cloud.network()

    def make(_: int) -> Any:
        return cloud.make("port", network_id=network["id"])["fixed_ips"][0]["ip_address"]

    with ThreadPoolExecutor(8) as pool:
        ips = list(pool.map(make, range(40)))
    assert len(set(ips)) == 40


@pytest.mark.parametrize("bulk", [1, 3])
def test_quota_holds_when_many_create_at_once(cloud: Cloud, bulk: int) -> None:
    network, _ = cloud.network()
    before = cloud.call("GET", "quotas/" + "d" * 32 + "/details.json")["quota"]["port"]["used"]
    cloud.call("PUT", "quotas/" + "d" * 32, {"quota": {"port": before + 10}}, "admin", 200)
    one = {"network_id": network["id"]}
    body = {"port": one} if bulk == 1 else {"ports": [one] * bulk}

    def make(_: int) -> httpx.Response:
        with cloud.client() as client:
            return client.post("/v2.0/ports", json=body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(make, range(24)))
    assert sum(answer.status_code == 201 for answer in answers) == 10 // bulk
    refused = [answer for answer in answers if answer.status_code != 201]
    assert {answer.status_code for answer in refused} == {409}
    error = refused[0].json()["NeutronError"]
    assert (error["type"], error["message"]) == ("OverQuota", "Quota exceeded for resources: ['port'].")
    after = cloud.call("GET", "quotas/" + "d" * 32 + "/details.json")["quota"]["port"]["used"]
    assert after == before + (10 // bulk) * bulk


@RELAXED
@given(
    limit=st.integers(1, 9),
    key=st.sampled_from(["name", "admin_state_up", "created_at", "id"]),
    down=st.booleans(),
)
def test_paging_misses_and_repeats_nothing(cloud: Cloud, limit: int, key: str, down: bool) -> None:
    marker = "paging"
    path = f"/v2.0/networks?description={marker}"
    with cloud.client() as client:
        have = client.get(path).json()["networks"]
        if not have:
            made = [{"name": f"n{i % 4}", "description": marker, "admin_state_up": i % 3 == 0} for i in range(14)]
            have = client.post("/v2.0/networks", json={"networks": made}).json()["networks"]
        order = f"&sort_key={key}&sort_dir={'desc' if down else 'asc'}"
        whole = client.get(path + order).json()["networks"]
        assert sorted(n["id"] for n in whole) == sorted(n["id"] for n in have)
        values = [n[key] for n in whole]
        assert values == sorted(values, reverse=down)
        seen: list[str] = []
        url: str | None = f"{path}{order}&limit={limit}"
        last = ""
        while url:
            body = client.get(url).json()
            seen += [n["id"] for n in body["networks"]]
            links = {link["rel"]: link["href"] for link in body.get("networks_links", ())}
            last = links.get("previous", last)
            url = _local(links.get("next"))
        assert seen == [n["id"] for n in whole]
        if last:
            back = client.get(str(_local(last))).json()["networks"]
            ids = [n["id"] for n in back]
            assert ids == [id for id in seen if id in ids]


def _local(href: str | None) -> str | None:
    if href is None:
        return None
    parts = urlsplit(href)
    return f"{parts.path}?{parts.query}"


def test_lists_take_a_constant_number_of_statements(cloud: Cloud) -> None:
    network, _ = cloud.network()
    for count in (2, 30):
        cloud.call("POST", "ports", {"ports": [{"network_id": network["id"]}] * count}, status=201)
        del cloud.running.statements[:]
        found = cloud.call("GET", f"ports?network_id={network['id']}")["ports"]
        assert len(found) > count
        assert sum(cloud.running.statements) <= 4


def test_a_port_takes_as_many_statements_on_a_full_network_as_on_an_empty_one(cloud: Cloud) -> None:
    network, _ = cloud.network()
    counts = []
    for already in (1, 30):
        cloud.call("POST", "ports", {"ports": [{"network_id": network["id"]}] * already}, status=201)
        del cloud.running.statements[:]
        cloud.call("POST", "ports", {"port": {"network_id": network["id"]}}, status=201)
        counts.append(sum(cloud.running.statements))
    assert counts[0] == counts[1] <= 22
