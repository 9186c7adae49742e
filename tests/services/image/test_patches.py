"""Patches of images in both media types, JSON pointers, and property protections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cumulet.services.image.api import load
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model.protections import POLICIES_FILE, ROLES_FILE, Protections
from cumulet.services.image.model.protections import load as load_protections
from tests.services.image.conftest import Images, made, served
from tests.services.serving import running

DRAFT_4 = {"Content-Type": "application/openstack-images-v2.0-json-patch"}
DRAFT_10 = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def patch(client: httpx.Client, image: dict[str, Any], changes: Any, headers: dict[str, str] = DRAFT_10) -> Any:
    return client.patch(f"/v2/images/{image['id']}", json=changes, headers=headers)


def test_the_older_draft(demo: httpx.Client) -> None:
    image = made(demo, a="1")
    changes = [{"replace": "/name", "value": "new"}, {"add": "/b~1c~0", "value": "2"}, {"remove": "/a"}]
    shown = patch(demo, image, changes, DRAFT_4).json()
    assert (shown["name"], shown["b/c~"]) == ("new", "2") and "a" not in shown


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ([{"add": "/name", "value": "x"}], 409, "Property name already present."),
        ([{"add": "/a", "value": "x"}], 409, "Property a already present."),
        (
            [{"add": "/b", "replace": "/c", "value": "x"}],
            400,
            'Operation objects must contain only one member named "add", "remove", or "replace".',
        ),
        (
            [{"op": "add", "path": "/b", "value": "x"}],
            400,
            'Operation objects must contain exactly one member named "add", "remove", or "replace".',
        ),
        ([{"replace": 5, "value": "x"}], 400, None),
        ([{"add": "/os_glance_foo", "value": "bar"}], 403, "Attribute 'os_glance_foo' is reserved."),
        ([{"add": "/tags/-", "value": "x"}], 400, "Invalid JSON pointer for this resource: '/tags/-'"),
        ([{"add": "/locations", "value": []}], 400, "Invalid JSON pointer for this resource: '/locations'"),
        ([{"replace": "/locations/0", "value": {}}], 400, None),
        ([{"remove": "/tags"}], 403, "Property tags may not be removed."),
        ([{"add": "/" + "x" * 256, "value": "x"}], 400, None),
        ([{"add": "/b", "value": 5}], 400, None),
        ([{"add": "/b", "value": "nul\0"}], 400, None),
        ([{"add": "/b\0", "value": "x"}], 400, None),
        ([{"add": "/", "value": "x"}], 400, None),
        ([{"add": "/~2", "value": "x"}], 400, None),
        ({"add": "/b", "value": "x"}, 400, None),
        ([["add"]], 400, "Operations must be JSON objects."),
    ],
)
def test_refusals(demo: httpx.Client, changes: Any, status: int, message: str | None) -> None:
    image = made(demo, a="1")
    answer = patch(demo, image, changes, DRAFT_4)
    assert answer.status_code == status, answer.text
    assert message is None or answer.json()["message"] == message
    assert demo.get(f"/v2/images/{image['id']}").json() == image


def test_an_empty_patch_changes_nothing(glance: Images, demo: httpx.Client) -> None:
    image = made(demo)
    assert patch(demo, image, []).json() == image
    with glance.client("reader") as reader:
        assert patch(reader, image, []).json() == image


def test_a_property_of_known_meaning_keeps_its_form(demo: httpx.Client) -> None:
    image = made(demo, kernel_id=None)
    assert image["kernel_id"] is None
    assert patch(demo, image, [{"op": "add", "path": "/ramdisk_id", "value": "nope"}]).status_code == 400
    wrong = [{"op": "add", "path": "/cinder_encryption_key_deletion_policy", "value": "perhaps"}]
    assert patch(demo, image, wrong).status_code == 400


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20)
RESERVED = ("os_glance", "location")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("alone")
    context = ImageContext(folder / "images")
    with running(load(), context, folder / "state.db") as served, served.client("demo") as demo:
        yield demo


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(properties=st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs", "Cc"])), max_size=6))
def test_any_property_survives_its_way_through_pointers(alone: httpx.Client, properties: dict[str, str]) -> None:
    """Whatever a property is called, adding, reading, replacing and removing it by pointer does what it says."""
    image = made(alone)
    known = {name for name in properties if name in image or name.startswith(RESERVED) or name.startswith("deleted")}
    ours = {name: value for name, value in properties.items() if name not in known}
    pointers = {name: "/" + name.replace("~", "~0").replace("/", "~1") for name in ours}
    added = [{"op": "add", "path": pointers[name], "value": value} for name, value in ours.items()]
    shown = patch(alone, image, added)
    assert shown.status_code == 200, shown.text
    assert {name: shown.json()[name] for name in ours} == ours
    for name, value in ours.items():
        found = alone.get("/v2/images", params={"id": image["id"], name: value}).json()["images"]
        findable = name not in SPECIAL and not {'"', "\\"} & set(name)
        assert not findable or [one["id"] for one in found] == [image["id"]]
    again = [{"op": "replace", "path": pointers[name], "value": value + "!"} for name, value in ours.items()]
    assert patch(alone, image, again).status_code == 200
    shown = patch(alone, image, [{"op": "remove", "path": pointers[name]} for name in ours])
    assert not set(ours) & set(shown.json())
    alone.delete(f"/v2/images/{image['id']}")


SPECIAL = ("limit", "marker", "sort", "sort_key", "sort_dir", "tag", "member_status")
"""Names that mean something else in a query."""


# ---- property protections -----------------------------------------------------------------------------------

ROLES = """
[^secret_]
create = admin
read = admin
update = admin
delete = admin

[^stamp$]
create = Member
read = @
update = admin
delete = !

[.*]
create = @
read = @
update = @
delete = @
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Images]:
    (tmp_path / ROLES_FILE).write_text(ROLES)
    context = ImageContext(tmp_path / "images", protections=load_protections(tmp_path))
    with served(context, tmp_path / "state.db") as found:
        yield found


def test_protected_properties(guarded: Images) -> None:
    with guarded.client("demo") as demo, guarded.client("admin") as admin:
        refused = demo.post("/v2/images", json={"secret_key": "x"})
        assert refused.status_code == 403 and refused.json()["message"] == "Attribute 'secret_key' is reserved."
        image = made(demo, stamp="1", free="2")
        secret = [{"op": "add", "path": "/secret_key", "value": "x"}]
        assert patch(admin, image, secret).json()["secret_key"] == "x"
        assert "secret_key" not in demo.get(f"/v2/images/{image['id']}").json()
        assert "secret_key" not in demo.get("/v2/images").text
        assert demo.get("/v2/images?secret_key=x").json()["images"] == [], "a filter tells nothing either"
        assert len(admin.get("/v2/images?secret_key=x").json()["images"]) == 1
        assert patch(demo, image, secret).status_code == 403
        assert patch(demo, image, [{"op": "replace", "path": "/secret_key", "value": "y"}]).status_code == 409
        assert patch(demo, image, [{"op": "remove", "path": "/secret_key"}]).status_code == 409
        assert patch(demo, image, [{"op": "replace", "path": "/stamp", "value": "y"}]).status_code == 403
        for client in (demo, admin):
            assert patch(client, image, [{"op": "remove", "path": "/stamp"}]).status_code == 403
        assert patch(demo, image, [{"op": "replace", "path": "/free", "value": "y"}]).json()["free"] == "y"
        assert admin.get(f"/v2/images/{image['id']}").json()["secret_key"] == "x"


def test_protections_by_policy(tmp_path: Path) -> None:
    (tmp_path / POLICIES_FILE).write_text("[^x$]\n" + "".join(f"{v} = publicize_image\n" for v in VERBS))
    context = ImageContext(tmp_path / "images", protections=load_protections(tmp_path))
    with (
        running(load(), context, tmp_path / "state.db") as served,
        served.client("demo") as demo,
        served.client("admin") as admin,
    ):
        assert demo.post("/v2/images", json={"x": "1"}).status_code == 403
        assert admin.post("/v2/images", json={"x": "1"}).status_code == 201
        assert admin.post("/v2/images", json={"unnamed": "1"}).status_code == 403


VERBS = ("create", "read", "update", "delete")


@pytest.mark.parametrize(
    "text",
    [
        "[x]\ncreate = @\n",
        "[(]\n" + "".join(f"{v} = @\n" for v in VERBS),
        "create = @",
        "[x]\n" * 2,
        "[x]\n" + "".join(f"{v} = @, !\n" for v in VERBS),
    ],
)
def test_protections_that_make_no_sense(tmp_path: Path, text: str) -> None:
    (tmp_path / ROLES_FILE).write_text(text)
    with pytest.raises(ValueError):
        load_protections(tmp_path)


def test_without_a_file_nothing_is_protected(tmp_path: Path) -> None:
    assert load_protections(tmp_path) == Protections()
