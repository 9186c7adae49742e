"""Conversations about allocation candidates, and a table of what each microversion brought."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.placement.api import load
from tests.databases import KINDS
from tests.services.placement.conversation import ABSENT, Say, aggregates, claim, filled, held, provider, traits
from tests.services.serving import Running, running

AC = "GET /allocation_candidates?"
BAD_VALUE = "placement.query.bad_value"
DATE = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"

# Two compute hosts with two NUMA nodes each, of which one has a port; a pool of disk shared with the first host; a
# host without parts.
CLOUD = [
    *provider("alpha", {"DISK_GB": 100}),
    *provider("alpha numa 0", {"VCPU": 4, "MEMORY_MB": 1024}, parent="alpha"),
    *provider("alpha numa 1", {"VCPU": 4, "MEMORY_MB": 2048}, parent="alpha"),
    *provider("alpha port", {"SRIOV_NET_VF": 2}, parent="alpha numa 1"),
    *provider("beta", {"DISK_GB": 50}),
    *provider("beta numa 0", {"VCPU": 8, "MEMORY_MB": 4096}, parent="beta"),
    *provider("plain", {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 10}),
    *provider("pool", {"DISK_GB": 1000}),
    *traits("alpha", 1, "CUSTOM_RACK_A"),
    *traits("alpha numa 1", 1, "HW_CPU_X86_AVX2"),
    *traits("alpha port", 1, "CUSTOM_PHYSNET_ONE"),
    *traits("beta numa 0", 1, "HW_CPU_X86_VMX"),
    *traits("pool", 1, "MISC_SHARES_VIA_AGGREGATE"),
    aggregates("alpha", 2, "storage", "north"),
    aggregates("pool", 2, "storage"),
    aggregates("beta", 1, "south"),
]


@pytest.fixture(scope="module", params=KINDS)
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    place = tmp_path_factory.mktemp("candidates") / "state.db"
    with running(load(), None, place, request.param) as service, service.client("admin") as client:
        held(client, CLOUD)
        yield client


@pytest.fixture(params=KINDS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """An empty service on each kind of database."""
    with running(load(), None, tmp_path / "state.db", request.param) as service:
        yield service


def takers(client: httpx.Client, query: str, version: str = "1.39") -> list[tuple[str, ...]]:
    """Candidates as the sorted names of the providers that they take from, sorted."""
    answer = client.get(
        f"/allocation_candidates?{filled(query)}", headers={"OpenStack-API-Version": f"placement {version}"}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    found = []
    for one in body["allocation_requests"]:
        assert set(one["allocations"]) <= set(body["provider_summaries"])
        if version >= "1.34":
            mapped = {uuid for uuids in one["mappings"].values() for uuid in uuids}
            assert set(one["allocations"]) <= mapped
        found.append(tuple(sorted(NAMES[uuid] for uuid in one["allocations"])))
    return sorted(found)


NAMES = {filled(f"{{{each.body['name']}}}"): each.body["name"] for each in CLOUD if each.request.startswith("POST")}
A, A0, A1, PORT, B, B0 = "alpha", "alpha numa 0", "alpha numa 1", "alpha port", "beta", "beta numa 0"
PLAIN, POOL = "plain", "pool"
EACH_CPU = [(A0,), (A1,), (B0,), (PLAIN,)]

FOUND: list[tuple[str, list[tuple[str, ...]]]] = [
    ("resources=VCPU:1", EACH_CPU),  # type: ignore[list-item]
    ("resources=VCPU:3", [(A0,), (A1,), (B0,)]),
    ("resources=VCPU:9", []),
    ("resources=VCPU:1,DISK_GB:5", [(A, A0), (A, A1), (A0, POOL), (A1, POOL), (B, B0), (PLAIN,)]),
    ("resources=DISK_GB:500", [(POOL,)]),
    ("resources=VCPU:1,DISK_GB:500", [(A0, POOL), (A1, POOL)]),
    # traits of a group without suffix may be had by any of those that give
    ("resources=VCPU:1&required=HW_CPU_X86_AVX2", [(A1,)]),
    ("resources=VCPU:1&required=!HW_CPU_X86_AVX2", [(A0,), (B0,), (PLAIN,)]),
    ("resources=VCPU:1&required=in:HW_CPU_X86_AVX2,HW_CPU_X86_VMX", [(A1,), (B0,)]),
    ("resources=VCPU:1&required=in:HW_CPU_X86_AVX2,HW_CPU_X86_VMX&required=!HW_CPU_X86_VMX", [(A1,)]),
    ("resources=VCPU:1,DISK_GB:5&required=CUSTOM_RACK_A", [(A, A0), (A, A1)]),
    # aggregates: that of the root counts for its tree
    ("resources=VCPU:1&member_of={north}", [(A0,), (A1,)]),
    ("resources=VCPU:1&member_of=in:{north},{south}", [(A0,), (A1,), (B0,)]),
    ("resources=VCPU:1&member_of={north}&member_of={south}", []),
    ("resources=VCPU:1&member_of=!{north}", [(B0,), (PLAIN,)]),
    ("resources=VCPU:1&member_of=!in:{north},{south}", [(PLAIN,)]),
    ("resources=VCPU:1,DISK_GB:5&member_of={south}", [(B, B0)]),
    # trees
    ("resources=VCPU:1&in_tree={alpha numa 0}", [(A0,), (A1,)]),
    ("resources=VCPU:1,DISK_GB:5&in_tree={alpha}", [(A, A0), (A, A1)]),
    ("resources=VCPU:1&in_tree={nobody}", []),
    ("resources=VCPU:1&root_required=CUSTOM_RACK_A", [(A0,), (A1,)]),
    ("resources=VCPU:1&root_required=!CUSTOM_RACK_A", [(B0,), (PLAIN,)]),
    ("resources=VCPU:1&root_required=CUSTOM_RACK_A,!HW_CPU_X86_AVX2", [(A0,), (A1,)]),
    # groups with suffixes are met by one provider each
    ("resources_C=VCPU:1,DISK_GB:5", [(PLAIN,)]),
    ("resources_C=VCPU:1&resources_D=VCPU:1&group_policy=isolate&in_tree_C={alpha}&in_tree_D={alpha}", [(A0, A1)] * 2),
    ("resources_C=VCPU:4&resources_D=VCPU:4&group_policy=none&in_tree_C={alpha}", [(A0, A1)] * 2),
    ("resources_C=VCPU:2&resources_D=VCPU:2&group_policy=none&in_tree_C={beta}", [(B0,)]),
    ("resources_C=VCPU:2&resources_D=VCPU:2&group_policy=isolate&in_tree_C={beta}", []),
    ("resources=DISK_GB:5&resources1=VCPU:1&required1=HW_CPU_X86_AVX2", [(A, A1), (A1, POOL)]),
    ("resources1=VCPU:1&required1=!HW_CPU_X86_AVX2&in_tree1={alpha}", [(A0,)]),
    ("resources1=VCPU:1&member_of1={north}", []),  # of the very provider, not of its root
    ("resources1=DISK_GB:1&member_of1={north}", [(A,)]),
    # subtrees
    ("resources_C=VCPU:1&resources_N=SRIOV_NET_VF:1&group_policy=none", [(A0, PORT), (A1, PORT)]),
    ("resources_C=VCPU:1&resources_N=SRIOV_NET_VF:1&group_policy=none&same_subtree=_C,_N", [(A1, PORT)]),
    ("resources_N=SRIOV_NET_VF:1&required_R=CUSTOM_RACK_A&group_policy=none&same_subtree=_N,_R", [(PORT,)]),
    ("resources_N=SRIOV_NET_VF:1&required_R=HW_CPU_X86_VMX&group_policy=none&same_subtree=_N,_R", []),
    ("resources_N=SRIOV_NET_VF:3", []),
]


@pytest.mark.parametrize(("query", "wanted"), FOUND)
def test_who_is_found(cloud: httpx.Client, query: str, wanted: list[tuple[str, ...]]) -> None:
    assert takers(cloud, query) == sorted(wanted)


def test_before_there_were_trees_one_provider_gives_all_of_a_tree(cloud: httpx.Client) -> None:
    assert takers(cloud, "resources=VCPU:1,DISK_GB:5", "1.28") == [(A0, POOL), (A1, POOL), (PLAIN,)]


def test_limits(cloud: httpx.Client) -> None:
    everybody = takers(cloud, "resources=VCPU:1,DISK_GB:5")
    for limit in range(1, len(everybody) + 2):
        some = takers(cloud, f"resources=VCPU:1,DISK_GB:5&limit={limit}")
        assert len(some) == min(limit, len(everybody)) and set(some) <= set(everybody)


@pytest.mark.parametrize("wanted", ["VCPU:1", "VCPU:1,DISK_GB:5", "VCPU:1,MEMORY_MB:600,DISK_GB:1", "VCPU:9"])
def test_limits_where_nobody_shares(anywhere: Running, wanted: str) -> None:
    """With a limit only some trees are looked at: there are as many candidates all the same, and no others."""
    with anywhere.client("admin") as client:
        held(client, CLOUD[: CLOUD.index(traits("alpha", 1, "CUSTOM_RACK_A")[0])])
        everybody = takers(client, f"resources={wanted}")
        assert bool(everybody) == (wanted != "VCPU:9")
        for limit in range(1, len(everybody) + 2):
            some = takers(client, f"resources={wanted}&limit={limit}")
            assert len(some) == min(limit, len(everybody)) and set(some) <= set(everybody)


REFUSED = [
    ("", "There must be at least one resources"),
    ("resources=", "Badly formed resources parameter"),
    ("resources=VCPU", "Badly formed resources parameter"),
    ("resources=VCPU:1:2", "Badly formed resources parameter"),
    ("resources=VCPU:none", "expected positive integer amount"),
    ("resources=VCPU:0", "requires amount >= 1"),
    ("resources=VCPU:-1", "requires amount >= 1"),
    ("resources=CUSTOM_NONE:1", "No such resource class CUSTOM_NONE"),
    ("resources=VCPU:1&required=CUSTOM_NONE", "No such trait"),
    ("resources=VCPU:1&required=", "Got an empty trait"),
    ("resources=VCPU:1&required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX", "Conflicting required and forbidden traits"),
    ("resources=VCPU:1&required=in:HW_CPU_X86_VMX,!HW_CPU_X86_AVX", "does not support forbidden traits"),
    ("resources=VCPU:1&member_of=no", "valid UUID"),
    ("resources=VCPU:1&member_of={north},{south}", "must be prefixed with the 'in:'"),
    ("resources=VCPU:1&in_tree=no", "to be a format of uuid"),
    ("resources=VCPU:1&limit=0", "limit"),
    ("resources=VCPU:1&limit=-1", "limit"),
    ("resources=VCPU:1&limit=many", "limit"),
    ("resources=VCPU:1&group_policy=maybe", "is not one of ['none', 'isolate']"),
    ("resources1=VCPU:1&resources2=VCPU:1", 'The "group_policy" parameter is required'),
    ("resources=VCPU:1&root_required=CUSTOM_RACK_A&root_required=!CUSTOM_RACK_A", "may be specified only once"),
    ("resources=VCPU:1&root_required=CUSTOM_RACK_A,!CUSTOM_RACK_A", "Conflicting required and forbidden traits"),
    ("resources_C=VCPU:1&required_R=CUSTOM_RACK_A&group_policy=none", "should be specified in `same_subtree`"),
    ("resources_C=VCPU:1&same_subtree=_C,_X", "Real suffixes should be specified in `same_subtree`"),
    ("resources=VCPU:1&same_subtree=,_X", "Empty string (unsuffixed group) can not be specified"),
    ("resources=VCPU:1&colour=red", "Invalid query string parameters"),
    (f"resources_{'x' * 64}=VCPU:1", "Invalid query string parameters"),
    ("resources.C=VCPU:1", "Invalid query string parameters"),
]


@pytest.mark.parametrize(("query", "says"), REFUSED)
def test_what_is_refused(cloud: httpx.Client, query: str, says: str) -> None:
    held(cloud, [Say(f"{AC}{query}", answers=400, says=says)])


SHAPES = [
    Say(
        f"{AC}resources=VCPU:3,MEMORY_MB:100&in_tree={{alpha numa 0}}",
        headers={"last-modified": DATE, "cache-control": "no-cache"},
        shows={
            "allocation_requests#": 4,
            "provider_summaries*": ["{alpha}", "{alpha numa 0}", "{alpha numa 1}", "{alpha port}"],
            "provider_summaries.{alpha port}": {
                "resources": {"SRIOV_NET_VF": {"capacity": 2, "used": 0}},
                "traits": ["CUSTOM_PHYSNET_ONE"],
                "parent_provider_uuid": "{alpha numa 1}",
                "root_provider_uuid": "{alpha}",
            },
        },
    ),
    Say(
        f"{AC}resources_N=SRIOV_NET_VF:2",
        shows={
            "allocation_requests": [
                {
                    "allocations": {"{alpha port}": {"resources": {"SRIOV_NET_VF": 2}}},
                    "mappings": {"_N": ["{alpha port}"]},
                }
            ]
        },
    ),
    # a candidate is a body of allocations
    Say(
        "PUT /allocations/{port user}",
        claim({"alpha port": {"SRIOV_NET_VF": 2}}, mappings={"_N": ["{alpha port}"]}),
        204,
    ),
    Say(f"{AC}resources_N=SRIOV_NET_VF:1", shows={"allocation_requests": [], "provider_summaries": {}}),
    Say("DELETE /allocations/{port user}", answers=204),
]


def test_shapes(cloud: httpx.Client) -> None:
    held(cloud, SHAPES)


# ---- what each microversion brought: (version, the request, what was answered before, what since) -------------------

HOST = provider("host", {"VCPU": 4, "DISK_GB": 10})
P = "/resource_providers/{host}"
L = "GET /resource_providers?"
C = f"{AC}resources=VCPU:1"
NONE: dict[str, Any] = {}
FRESH = {"last-modified": DATE, "cache-control": "no-cache"}
UNDATED = {"last-modified": None, "cache-control": None}


def had(request: str, body: Any, before: dict[str, Any], since: dict[str, Any]) -> tuple[Say, Say]:
    return Say(request, body, **before), Say(request, body, **since)


GONE, BAD, OK = {"answers": 404}, {"answers": 400}, {"answers": 200}
BROUGHT: list[tuple[str, str, tuple[Say, Say]]] = [
    ("1.0", "1.1", had(f"GET {P}/aggregates", None, GONE, OK)),
    ("1.1", "1.2", had("GET /resource_classes", None, GONE, OK)),
    ("1.2", "1.3", had(f"{L}member_of={{a}}", None, BAD, {"shows": {"resource_providers": []}})),
    ("1.3", "1.4", had(f"{L}resources=VCPU:5", None, BAD, {"shows": {"resource_providers": []}})),
    ("1.4", "1.5", had(f"DELETE {P}/inventories", None, {"answers": 405}, {"answers": 204})),
    ("1.5", "1.6", had("GET /traits", None, GONE, OK)),
    ("1.5", "1.6", had(f"GET {P}/traits", None, GONE, OK)),
    ("1.6", "1.7", had("PUT /resource_classes/CUSTOM_X", None, {"answers": 415}, {"answers": 201})),
    ("1.8", "1.9", had("GET /usages?project_id=p", None, GONE, {"shows": {"usages": {}}})),
    ("1.9", "1.10", had(C, None, GONE, {"shows": {"allocation_requests#": 1}})),
    ("1.10", "1.11", had(f"GET {P}", None, {"shows": {"links#": 5}}, {"shows": {"links#": 6}})),
    (
        "1.11",
        "1.12",
        had(
            C,
            None,
            {"shows": {"allocation_requests.0.allocations.0.resource_provider.uuid": "{host}"}},
            {"shows": {"allocation_requests.0.allocations.{host}": {"resources": {"VCPU": 1}}}},
        ),
    ),
    ("1.12", "1.13", had("POST /allocations", {}, GONE, BAD)),
    (
        "1.13",
        "1.14",
        had(f"GET {P}", None, {"shows": {"root_provider_uuid": ABSENT}}, {"shows": {"root_provider_uuid": "{host}"}}),
    ),
    ("1.13", "1.14", had(f"{L}in_tree={{host}}", None, BAD, {"shows": {"resource_providers#": 1}})),
    ("1.13", "1.14", had(f"PUT {P}", {"name": "host", "parent_provider_uuid": None}, BAD, OK)),
    ("1.14", "1.15", had(f"GET {P}/inventories", None, {"headers": UNDATED}, {"headers": FRESH})),
    ("1.14", "1.15", had(C, None, {"headers": UNDATED}, {"headers": FRESH})),
    ("1.15", "1.16", had(f"{C}&limit=1", None, BAD, OK)),
    ("1.16", "1.17", had(f"{C}&required=HW_CPU_X86_VMX", None, BAD, {"shows": {"allocation_requests": []}})),
    (
        "1.16",
        "1.17",
        had(
            C,
            None,
            {"shows": {"provider_summaries.{host}.traits": ABSENT}},
            {"shows": {"provider_summaries.{host}.traits": []}},
        ),
    ),
    ("1.17", "1.18", had(f"{L}required=HW_CPU_X86_VMX", None, BAD, {"shows": {"resource_providers": []}})),
    (
        "1.18",
        "1.19",
        had(
            f"GET {P}/aggregates",
            None,
            {"shows": {"resource_provider_generation": ABSENT}},
            {"shows": {"resource_provider_generation": 1}},
        ),
    ),
    ("1.20", "1.21", had(f"{C}&member_of={{a}}", None, BAD, {"shows": {"allocation_requests": []}})),
    ("1.21", "1.22", had(f"{C}&required=!HW_CPU_X86_VMX", None, BAD, {"shows": {"allocation_requests#": 1}})),
    ("1.21", "1.22", had(f"{L}required=!HW_CPU_X86_VMX", None, BAD, {"shows": {"resource_providers#": 1}})),
    (
        "1.22",
        "1.23",
        had(
            "GET /resource_providers/{nobody}",
            None,
            {"answers": 404, "shows": {"errors.0.code": ABSENT}},
            {"answers": 404, "code": "placement.resource_provider.not_found"},
        ),
    ),
    ("1.23", "1.24", had(f"{C}&member_of={{a}}&member_of={{b}}", None, BAD, OK)),
    ("1.23", "1.24", had(f"{L}member_of={{a}}&member_of={{b}}", None, BAD, OK)),
    ("1.24", "1.25", had(f"{AC}resources1=VCPU:1", None, BAD, {"shows": {"allocation_requests#": 1}})),
    ("1.24", "1.25", had(f"{C}&group_policy=none", None, BAD, OK)),
    (
        "1.25",
        "1.26",
        had(f"PUT {P}/inventories/VCPU", {"total": 4, "reserved": 4, "resource_provider_generation": 1}, BAD, OK),
    ),
    (
        "1.26",
        "1.27",
        had(
            C,
            None,
            {"shows": {"provider_summaries.{host}.resources*": ["VCPU"]}},
            {"shows": {"provider_summaries.{host}.resources*": ["DISK_GB", "VCPU"]}},
        ),
    ),
    (
        "1.28",
        "1.29",
        had(
            C,
            None,
            {"shows": {"provider_summaries.{host}.root_provider_uuid": ABSENT}},
            {"shows": {"provider_summaries.{host}.root_provider_uuid": "{host}"}},
        ),
    ),
    ("1.29", "1.30", had("POST /reshaper", {}, GONE, {"answers": 403})),
    ("1.30", "1.31", had(f"{C}&in_tree={{host}}", None, BAD, {"shows": {"allocation_requests#": 1}})),
    ("1.30", "1.31", had(f"{AC}resources1=VCPU:1&in_tree1={{host}}", None, BAD, OK)),
    ("1.31", "1.32", had(f"{C}&member_of=!{{a}}", None, BAD, {"shows": {"allocation_requests#": 1}})),
    ("1.31", "1.32", had(f"{L}member_of=!{{a}}", None, BAD, {"shows": {"resource_providers#": 1}})),
    ("1.32", "1.33", had(f"{AC}resources_COMPUTE=VCPU:1", None, BAD, {"shows": {"allocation_requests#": 1}})),
    (
        "1.33",
        "1.34",
        had(
            C,
            None,
            {"shows": {"allocation_requests.0.mappings": ABSENT}},
            {"shows": {"allocation_requests.0.mappings": {"": ["{host}"]}}},
        ),
    ),
    ("1.34", "1.35", had(f"{C}&root_required=!HW_CPU_X86_VMX", None, BAD, {"shows": {"allocation_requests#": 1}})),
    ("1.35", "1.36", had(f"{AC}resources_C=VCPU:1&same_subtree=_C", None, BAD, {"shows": {"allocation_requests#": 1}})),
    ("1.37", "1.38", had("GET /usages?project_id=p&consumer_type=all", None, BAD, {"shows": {"usages": {}}})),
    ("1.38", "1.39", had(f"{C}&required=in:HW_CPU_X86_VMX,HW_CPU_X86_AVX", None, BAD, OK)),
    ("1.38", "1.39", had(f"{L}required=in:HW_CPU_X86_VMX,HW_CPU_X86_AVX", None, BAD, OK)),
]


READS = [pair for pair in BROUGHT if pair[2][0].request.startswith("GET")]


def test_what_each_microversion_brought(served: Running) -> None:
    with served.client("admin") as client:
        held(client, HOST)
        for last, first, (before, since) in READS:
            held(client, [before], last)
            held(client, [since], first)
            held(client, [since], "1.39")


CHANGES = [pair for pair in BROUGHT if not pair[2][0].request.startswith("GET")]


@pytest.mark.parametrize(
    ("last", "first", "says"), CHANGES, ids=[f"{first}-{n}" for n, (_, first, _) in enumerate(CHANGES)]
)
def test_what_each_microversion_lets_change(served: Running, last: str, first: str, says: tuple[Say, Say]) -> None:
    with served.client("admin") as client:
        held(client, HOST)
        held(client, says[:1], last)
        held(client, says[1:], first)
