"""Lists of servers: filters, order and paging, by example and by property."""

from __future__ import annotations

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cumulet.services.compute.tables import servers
from tests.services.compute.books import rows
from tests.services.compute.conftest import (
    IMAGE,
    Nova,
    message,
    show,
)
from tests.services.serving import PROJECTS


def names(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/v2.1/servers?{query}")
    assert answer.status_code == 200, answer.text
    return [server["name"] for server in answer.json()["servers"]]


def test_newest_first_and_in_pages(nova: Nova, demo: httpx.Client) -> None:
    ids = rows(nova, 7)
    seen: list[str] = []
    url: str | None = "/v2.1/servers?limit=3"
    while url is not None:
        body = demo.get(url).json()
        seen += [server["id"] for server in body["servers"]]
        links = {link["rel"]: link["href"] for link in body.get("servers_links", [])}
        url = links.get("next")
    assert seen == list(reversed(ids))
    answer = demo.get("/v2.1/servers?marker=nope")
    assert (answer.status_code, message(answer)) == (400, "marker [nope] not found")
    assert demo.get("/v2.1/servers?limit=-1").status_code == 400
    assert names(demo, "limit=0") == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    states=st.lists(st.sampled_from(["active", "stopped", "error", "building"]), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    key=st.sampled_from(["display_name", "created_at", "vm_state", "uuid", "availability_zone"]),
    direction=st.sampled_from(["asc", "desc"]),
    status=st.sampled_from(["", "ACTIVE", "SHUTOFF", "ERROR", "BUILD"]),
)
def test_pages_add_up_to_the_list(
    nova: Nova, demo: httpx.Client, states: list[str], limit: int, key: str, direction: str, status: str
) -> None:
    with nova.db.transaction() as tx:
        tx.delete(servers, servers.c.number > 0)
    expected = 0
    vm_states = {"ACTIVE": "active", "SHUTOFF": "stopped", "ERROR": "error", "BUILD": "building"}
    for state in states:
        rows(nova, 1, vm_state=state, name="same", availability_zone=None if state == "error" else "nova")
        expected += status == "" or vm_states[status] == state
    query = f"sort_key={key}&sort_dir={direction}" + (f"&status={status}" if status else "")
    whole = [s["id"] for s in demo.get(f"/v2.1/servers?{query}").json()["servers"]]
    assert len(whole) == len(set(whole)) == expected
    paged: list[str] = []
    while True:
        marker = f"&marker={paged[-1]}" if paged else ""
        page = demo.get(f"/v2.1/servers?{query}&limit={limit}{marker}").json()["servers"]
        paged += [s["id"] for s in page]
        if len(page) < limit:
            break
    assert paged == whole


def test_filters(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    a = nova.active(demo, "alpha", tags=["red", "blue"], metadata={"x": "1"})
    b = nova.create(demo, "beta-1", tags=["red"])
    nova.create(demo, "beta.2")
    address = show(demo, a)["addresses"]["private"][0]["addr"]
    cases = {
        "name=^beta": {"beta-1", "beta.2"},
        "name=beta.2": {"beta.2"},
        "name=BETA": {"beta-1", "beta.2"},
        "name=^B.*[0-9]$": {"beta-1", "beta.2"},
        "name=alpha|beta-1": {"alpha", "beta-1"},
        "name=(a*)*$": {"alpha", "beta-1", "beta.2"},
        "status=ACTIVE": {"alpha"},
        "status=BUILD": {"beta-1", "beta.2"},
        "status=active&status=build": {"alpha", "beta-1", "beta.2"},
        "status=nonsense": set(),
        "flavor=1": {"alpha", "beta-1", "beta.2"},
        "flavor=9": set(),
        f"image={IMAGE}": {"alpha", "beta-1", "beta.2"},
        f"ip=^{address}$": {"alpha"},
        "tags=red": {"alpha", "beta-1"},
        "tags=red,blue": {"alpha"},
        "not-tags=red": {"beta.2"},
        "tags-any=blue,green": {"alpha"},
        "changes-since=2020-01-01T00:00:00Z": {"alpha", "beta-1", "beta.2"},
        "changes-since=2099-01-01T00:00:00Z": set(),
        "changes-before=2020-01-01T00:00:00Z": set(),
        "locked=true": set(),
        "vm_state=building": {"beta-1", "beta.2"},
    }
    for query, expected in cases.items():
        assert set(names(demo, query)) == expected, query
    assert set(names(admin, "all_tenants=1&host=compute1&name=alpha")) == {"alpha"}
    assert names(admin, "host=compute1") == []
    assert set(names(admin, f"project_id={PROJECTS['demo']}&uuid={b}")) == {"beta-1"}
    assert demo.get("/v2.1/servers?colour=red").status_code == 400
    assert demo.get("/v2.1/servers?changes-since=yesterday").status_code == 400
    assert demo.get("/v2.1/servers?sort_key=secret").status_code == 400
    with nova.client("demo", "2.1") as old:
        assert len(names(old, "colour=red&host=nowhere&tags=red")) == 3
