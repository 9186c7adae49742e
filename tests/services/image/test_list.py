"""The list of images: pages, filters and order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.image.conftest import OCTETS, Images, made
from tests.services.serving import PROJECTS

KEYS = ["name", "size", "disk_format", "status", "created_at", "updated_at", "container_format", "id"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    from cumulet.services.image.api import load
    from cumulet.services.image.context import ImageContext
    from tests.services.serving import running

    folder = tmp_path_factory.mktemp("many")
    with running(load(), ImageContext(folder / "images"), folder / "state.db") as served, served.client("demo") as demo:
        for n in range(23):
            name = None if n % 7 == 0 else f"image-{n % 5}"
            image = made(demo, name=name, min_ram=n % 3, os_hidden=n % 4 == 0, tags=[f"t{n % 2}"], group=f"g{n % 3}")
            if n % 2:
                demo.put(f"/v2/images/{image['id']}/file", content=b"x" * (512 + n % 4), headers=OCTETS)
        yield demo


def everything(client: httpx.Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v2/images?limit=1000{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["images"]


sorts = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["asc", "desc"])), min_size=1, max_size=3, unique_by=lambda s: s[0]
)
filters = st.sampled_from(
    ["", "&os_hidden=false", "&status=active", "&tag=t1", "&group=g2", "&min_ram=1", "&name=in:image-1,image-2"]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 30), order=sorts, narrowing=filters)
def test_pages_make_the_whole_list(
    many: httpx.Client, limit: int, order: list[tuple[str, str]], narrowing: str
) -> None:
    sort = "&sort=" + ",".join(f"{key}:{direction}" for key, direction in order) + narrowing
    whole = [image["id"] for image in everything(many, sort)]
    paged: list[str] = []
    path: str | None = f"/v2/images?limit={limit}{sort}"
    while path is not None:
        body = many.get(path).json()
        assert len(body["images"]) <= limit
        paged += [image["id"] for image in body["images"]]
        path = body.get("next")
    assert paged == whole and len(set(paged)) == len(paged)
    key, direction = order[0]
    values = [image[key] for image in everything(many, sort)]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=direction == "desc")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&name=image-1", lambda image: image["name"] == "image-1"),
        ("&status=in:active,saving", lambda image: image["status"] == "active"),
        ("&tag=t0&tag=t1", lambda image: False),
        ("&tag=t0", lambda image: image["tags"] == ["t0"]),
        ("&size_min=514", lambda image: (image["size"] or 0) >= 514),
        ("&size_max=513", lambda image: image["size"] is not None and image["size"] <= 513),
        ("&os_hidden=true", lambda image: image["os_hidden"]),
        ("&protected=true", lambda image: False),
        ("&group=g1", lambda image: image["group"] == "g1"),
        ("&nothing=x", lambda image: False),
        ("&no\"t'=x", lambda image: False),
        ("&disk_format=raw&container_format=bare", lambda image: True),
        ("&visibility=private", lambda image: False),
        ("&visibility=shared", lambda image: True),
        ("&created_at=gte:2000-01-01T00:00:00Z", lambda image: True),
        ("&created_at=lt:2000-01-01T00:00:00Z", lambda image: False),
    ],
)
def test_filters(many: httpx.Client, query: str, expected: Any) -> None:
    hidden = "&os_hidden=true" if "os_hidden=true" in query else ""
    wanted = {image["id"] for image in everything(many, hidden) if expected(image)}
    assert {image["id"] for image in everything(many, query)} == wanted


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "sort_key=secret",
        "sort_dir=up",
        "sort=name:up",
        "sort=name&sort_key=name",
        "sort_key=name&sort_key=id&sort_dir=asc&sort_dir=asc&sort_dir=asc",
        "visibility=everybody",
        "member_status=maybe",
        "size_min=x",
        "created_at=yesterday",
        "os_hidden=perhaps",
        'name=in:"a',
        "marker=00000000-0000-0000-0000-000000000000",
    ],
)
def test_queries_that_make_no_sense(many: httpx.Client, query: str) -> None:
    assert many.get(f"/v2/images?{query}").status_code == 400


def test_a_deleted_marker_still_pages(demo: httpx.Client) -> None:
    ids = [made(demo)["id"] for _ in range(5)]
    first = demo.get("/v2/images?limit=2").json()
    demo.delete(f"/v2/images/{first['images'][-1]['id']}")
    rest = demo.get(first["next"]).json()["images"]
    assert [image["id"] for image in (*first["images"], *rest)] == list(reversed(ids))[: 2 + len(rest)]


def test_newest_first_and_times(demo: httpx.Client) -> None:
    ids = [made(demo)["id"] for _ in range(3)]
    body = demo.get("/v2/images").json()
    assert [image["id"] for image in body["images"]] == ids[::-1]
    assert body["first"] == "/v2/images" and body["schema"] == "/v2/schemas/images" and "next" not in body
    future = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert demo.get(f"/v2/images?updated_at=gt:{future}").json()["images"] == []


def test_another_projects_marker_is_unknown(demo: httpx.Client, other: httpx.Client) -> None:
    image = made(demo)
    assert other.get(f"/v2/images?marker={image['id']}").status_code == 400


def test_community_images_are_listed_when_asked_for(demo: httpx.Client, other: httpx.Client) -> None:
    image = made(demo, visibility="community")
    assert other.get("/v2/images").json()["images"] == []
    assert [one["id"] for one in other.get("/v2/images?visibility=community").json()["images"]] == [image["id"]]
    assert other.get(f"/v2/images/{image['id']}").status_code == 200
    assert len(demo.get("/v2/images").json()["images"]) == 1


def test_a_list_is_two_queries_however_long(glance: Images, demo: httpx.Client) -> None:
    for _ in range(12):
        made(demo, tags=["a"])
    counts = glance.running.statements
    counts.clear()
    assert len(demo.get("/v2/images").json()["images"]) == 12
    assert counts == [2]


ASKED = [
    f"/v2/images?limit=50{visibility}{hidden}{status}"
    for visibility in ("", *(f"&visibility={name}" for name in ("public", "private", "shared", "community", "all")))
    for hidden in ("", "&os_hidden=True")
    for status in ("", "&member_status=all", "&member_status=pending")
]


def test_the_prepared_list_is_the_list(
    admin: httpx.Client, demo: httpx.Client, other: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What most clients ask for goes by a statement made once; it shows each caller what any other statement would."""
    for hidden in (False, True):
        for visibility in ("private", "shared", "community"):
            for owner in (demo, other):
                made(owner, visibility=visibility, os_hidden=hidden, tags=["a"])
        made(admin, visibility="public", os_hidden=hidden)
    for status in ("accepted", "pending", "rejected"):
        shared = made(other, visibility="shared")
        assert other.post(f"/v2/images/{shared['id']}/members", json={"member": PROJECTS["demo"]}).status_code == 200
        if status != "pending":
            demo.put(f"/v2/images/{shared['id']}/members/{PROJECTS['demo']}", json={"status": status})
    seen = {(client, path): client.get(path).json() for client in (admin, demo, other) for path in ASKED}
    assert len({len(body["images"]) for body in seen.values()}) > 4
    monkeypatch.setattr("cumulet.services.image.model.filters._is_plain", lambda *_: False)
    for (client, path), body in seen.items():
        assert client.get(path).json() == body, path
