"""Metadata definitions over HTTP: namespaces and what they hold, who sees and changes them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cumulet.services.image import door
from tests.services.image.conftest import Images
from tests.services.serving import PROJECTS

ROOT = "/v2/metadefs/namespaces"
PROPERTY = {"title": "Cores", "type": "integer", "minimum": 1, "default": 2}


def namespace(client: httpx.Client, name: str = "OS::Test", **values: Any) -> dict[str, Any]:
    answer = client.post(ROOT, json={"namespace": name, "visibility": "public", **values})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def test_a_namespace_with_all_that_it_holds(admin: httpx.Client, demo: httpx.Client) -> None:
    held = {
        "properties": {"cores": PROPERTY},
        "objects": [{"name": "cpu", "required": ["cores"], "properties": {"cores": PROPERTY}}],
        "tags": [{"name": "fast"}],
        "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}],
    }
    answer = admin.post(ROOT, json={"namespace": "N", "display_name": "n", "visibility": "public", **held})
    assert answer.status_code == 201 and answer.headers["location"].endswith(f"{ROOT}/N")
    assert {name: answer.json()[name] for name in held} == held
    shown = demo.get(f"{ROOT}/N").json()
    assert shown["owner"] == PROJECTS["admin"] and shown["protected"] is False and "description" not in shown
    assert shown["self"] == f"{ROOT}/N" and shown["schema"] == "/v2/schemas/metadefs/namespace"
    assert shown["properties"] == held["properties"] and shown["tags"] == held["tags"]
    assert shown["objects"][0]["self"] == f"{ROOT}/N/objects/cpu"
    assert shown["resource_type_associations"][0]["prefix"] == "hw:"
    prefixed = demo.get(f"{ROOT}/N?resource_type=OS::Nova::Flavor").json()
    assert list(prefixed["properties"]) == ["hw:cores"] and prefixed["objects"][0]["required"] == ["hw:cores"]
    assert admin.delete(f"{ROOT}/N").status_code == 204
    assert admin.get(f"{ROOT}/N").status_code == 404
    again = namespace(admin, "N")
    assert demo.get(f"{ROOT}/N").json() == again, "nothing of the old one is left"


def test_a_namespace_that_fails_half_way_leaves_nothing(admin: httpx.Client) -> None:
    body = {"namespace": "N", "tags": [{"name": "a"}, {"name": "a"}]}
    assert admin.post(ROOT, json=body).status_code == 409
    assert admin.get(ROOT).json()["namespaces"] == []


def test_visibility_of_namespaces(admin: httpx.Client, demo: httpx.Client, other: httpx.Client) -> None:
    namespace(admin, "public")
    namespace(admin, "demos", visibility="private", owner=PROJECTS["demo"])
    namespace(admin, "admins", visibility="private")

    def names(client: httpx.Client, query: str = "") -> set[str]:
        return {one["namespace"] for one in client.get(ROOT + query).json()["namespaces"]}

    assert names(admin) == {"public", "demos", "admins"} and names(demo) == {"public", "demos"}
    assert names(other) == {"public"} and names(demo, "?visibility=private") == {"demos"}
    assert demo.get(ROOT + "?visibility=shared").status_code == 400
    for path in ("", "/objects", "/properties", "/tags", "/resource_types", "/objects/x", "/properties/x", "/tags/x"):
        assert other.get(f"{ROOT}/demos{path}").status_code == 404
    assert other.get(ROOT + "?marker=demos").status_code == 404


def test_only_admins_write(glance: Images, admin: httpx.Client, demo: httpx.Client, other: httpx.Client) -> None:
    namespace(admin, "N", tags=[{"name": "t"}], properties={"p": PROPERTY}, objects=[{"name": "o"}])
    namespace(admin, "hidden", visibility="private")
    named = {"name": "x", **PROPERTY}
    with glance.client("reader") as reader:
        for client in (demo, other, reader):
            assert client.post(ROOT, json={"namespace": "mine"}).status_code == 403
            for at, status in (("N", 403), ("hidden", 404)):
                base = f"{ROOT}/{at}"
                for answer in (
                    client.put(base, json={"namespace": "N"}),
                    client.delete(base),
                    client.post(f"{base}/objects", json={"name": "x"}),
                    client.put(f"{base}/objects/o", json={"name": "x"}),
                    client.delete(f"{base}/objects/o"),
                    client.delete(f"{base}/objects"),
                    client.post(f"{base}/properties", json=named),
                    client.put(f"{base}/properties/p", json=named),
                    client.delete(f"{base}/properties/p"),
                    client.delete(f"{base}/properties"),
                    client.post(f"{base}/tags", json={"tags": [{"name": "x"}]}),
                    client.post(f"{base}/tags/x"),
                    client.put(f"{base}/tags/t", json={"name": "x"}),
                    client.delete(f"{base}/tags/t"),
                    client.delete(f"{base}/tags"),
                    client.post(f"{base}/resource_types", json={"name": "x"}),
                    client.delete(f"{base}/resource_types/x"),
                ):
                    assert answer.status_code == status, (answer.request.method, answer.request.url)
    assert len(demo.get(f"{ROOT}/N/tags").json()["tags"]) == 1
    with glance.client("") as nobody:
        assert nobody.get(ROOT).status_code == 401


def test_pages_and_order_of_namespaces(admin: httpx.Client) -> None:
    for n in range(7):
        namespace(admin, f"n{n % 3}-{n}", resource_type_associations=[{"name": f"type{n % 2}"}])
    whole = [one["namespace"] for one in admin.get(ROOT + "?sort_key=namespace&sort_dir=asc").json()["namespaces"]]
    assert whole == sorted(whole) and len(whole) == 7
    found: list[str] = []
    path: str | None = f"{ROOT}?limit=2&sort_key=namespace&sort_dir=asc"
    while path is not None:
        body = admin.get(path).json()
        found += [one["namespace"] for one in body["namespaces"]]
        path = body.get("next")
    assert found == whole and body["schema"] == "/v2/schemas/metadefs/namespaces"
    typed = admin.get(f"{ROOT}?resource_types=type1,nothing").json()["namespaces"]
    assert len(typed) == 3 and typed[0]["resource_type_associations"][0]["name"] == "type1"
    for bad in ("limit=x", "limit=-1", "sort_key=nope", "sort_dir=up"):
        assert admin.get(f"{ROOT}?{bad}").status_code == 400
    assert admin.get(f"{ROOT}?marker=nope").status_code == 404


def test_change_a_namespace(admin: httpx.Client) -> None:
    namespace(admin, "A", description="d", display_name="a", tags=[{"name": "t"}])
    namespace(admin, "B")
    changed = admin.put(f"{ROOT}/A", json={"namespace": "C", "display_name": "c"})
    assert changed.status_code == 200 and changed.json()["visibility"] == "private"
    assert "description" not in changed.json() and admin.get(f"{ROOT}/A").status_code == 404
    assert admin.get(f"{ROOT}/C").json()["tags"] == [{"name": "t"}]
    clash = admin.put(f"{ROOT}/C", json={"namespace": "B"})
    assert clash.status_code == 409
    assert clash.json()["message"] == "The metadata definition namespace=B already exists."
    assert admin.post(ROOT, json={"namespace": "B"}).status_code == 409
    assert admin.put(f"{ROOT}/nope", json={"namespace": "x"}).status_code == 404


def test_protected_namespaces_lose_nothing(admin: httpx.Client) -> None:
    held = {"tags": [{"name": "t"}], "properties": {"p": PROPERTY}, "objects": [{"name": "o"}]}
    namespace(admin, "P", protected=True, resource_type_associations=[{"name": "r"}], **held)
    before = admin.get(f"{ROOT}/P").json()
    for path in ("", "/objects", "/objects/o", "/tags", "/tags/t", "/properties", "/properties/p", "/resource_types/r"):
        answer = admin.delete(f"{ROOT}/P{path}")
        assert answer.status_code == 403 and "is protected and cannot be deleted" in answer.json()["message"]
    assert admin.get(f"{ROOT}/P").json() == before
    admin.put(f"{ROOT}/P", json={"namespace": "P"})
    assert admin.delete(f"{ROOT}/P").status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"namespace": 5},
        {"namespace": "x" * 81},
        {"namespace": "nul\0"},
        {"namespace": "x", "visibility": "shared"},
        {"namespace": "x", "nope": 1},
        {"namespace": "x", "protected": "yes"},
        {"namespace": "x", "description": "d" * 501},
        {"namespace": "x", "properties": {"p": {"title": "t"}}},
        {"namespace": "x", "properties": {"p": {"title": "t", "type": "float"}}},
        {"namespace": "x", "properties": {"p": {**PROPERTY, "maxLength": -1}}},
        {"namespace": "x", "properties": {"p": {**PROPERTY, "evil": 1}}},
        {"namespace": "x", "objects": [{"name": "o", "required": ["a", "a"]}]},
        {"namespace": "x", "objects": [{}]},
        {"namespace": "x", "tags": ["t"]},
        {"namespace": "x", "resource_type_associations": [{"prefix": "a"}]},
        [],
    ],
)
def test_namespaces_that_do_not_fit(admin: httpx.Client, body: Any) -> None:
    answer = admin.post(ROOT, json=body)
    assert answer.status_code == 400, answer.text
    assert admin.get(ROOT).json()["namespaces"] == []


def test_what_only_the_service_writes(admin: httpx.Client) -> None:
    for name in ("self", "schema", "created_at", "updated_at"):
        answer = admin.post(ROOT, json={"namespace": "x", name: "y"})
        assert answer.status_code == 403 and answer.json()["message"] == f"Attribute '{name}' is read-only."


def test_objects(admin: httpx.Client, demo: httpx.Client) -> None:
    namespace(admin, "N")
    path = f"{ROOT}/N/objects"
    made = admin.post(path, json={"name": "o", "description": "d", "properties": {"p": PROPERTY}})
    assert made.status_code == 201 and made.json()["schema"] == "/v2/schemas/metadefs/object"
    assert demo.get(f"{path}/o").json() == made.json()
    assert admin.post(path, json={"name": "o"}).status_code == 409
    admin.post(path, json={"name": "q"})
    assert admin.put(f"{path}/o", json={"name": "q"}).status_code == 409
    changed = admin.put(f"{path}/o", json={"name": "new", "required": ["p"]}).json()
    assert changed["name"] == "new" and "description" not in changed and "properties" not in changed
    listed = demo.get(f"{path}?sort_key=name&sort_dir=asc").json()["objects"]
    assert [one["name"] for one in listed] == ["new", "q"]
    after = demo.get(f"{path}?sort_key=name&sort_dir=asc&marker=new&limit=5").json()["objects"]
    assert [one["name"] for one in after] == ["q"]
    missing = demo.get(f"{path}/o")
    assert missing.status_code == 404
    assert missing.json()["message"] == ("The metadata definition object with name=o was not found in namespace=N.")
    assert admin.delete(f"{path}/q").status_code == 204 and admin.delete(f"{path}/q").status_code == 404
    assert admin.delete(path).status_code == 204 and demo.get(path).json()["objects"] == []


def test_properties(admin: httpx.Client, demo: httpx.Client) -> None:
    namespace(admin, "N", resource_type_associations=[{"name": "r", "prefix": "hw_"}, {"name": "bare"}])
    path = f"{ROOT}/N/properties"
    made = admin.post(path, json={"name": "p", **PROPERTY})
    assert made.status_code == 201 and made.json() == {"name": "p", **PROPERTY}
    assert admin.post(path, json={"name": "p", **PROPERTY}).status_code == 409
    assert admin.post(path, json=PROPERTY).status_code == 400, "a property needs a name of its own"
    assert demo.get(f"{path}/p").json() == made.json()
    assert demo.get(f"{path}/hw_p?resource_type=r").json() == made.json()
    assert demo.get(f"{path}/p?resource_type=r").status_code == 404
    assert demo.get(f"{path}/p?resource_type=bare").status_code == 404
    assert demo.get(f"{path}/p?resource_type=nope").status_code == 404
    assert admin.put(f"{path}/p", json={"name": "q", "title": "Q", "type": "string"}).json()["name"] == "q"
    assert list(demo.get(path).json()["properties"]) == ["q"]
    assert admin.delete(f"{path}/q").status_code == 204 and demo.get(f"{path}/q").status_code == 404
    admin.post(path, json={"name": "p", **PROPERTY})
    assert admin.delete(path).status_code == 204 and demo.get(path).json()["properties"] == {}


def test_tags(admin: httpx.Client, demo: httpx.Client) -> None:
    namespace(admin, "N")
    path = f"{ROOT}/N/tags"
    made = admin.post(f"{path}/a%20b")
    assert made.status_code == 201 and made.json()["name"] == "a b"
    assert demo.get(f"{path}/a%20b").json() == made.json() and admin.post(f"{path}/a%20b").status_code == 409
    many = {"tags": [{"name": "x"}, {"name": "y"}]}
    assert admin.post(path, json=many).json() == many

    def names(query: str = "?sort_key=name&sort_dir=asc") -> list[str]:
        return [one["name"] for one in demo.get(path + query).json()["tags"]]

    assert names() == ["x", "y"], "they replace what was there"
    append = {"X-Openstack-Append": "True"}
    assert admin.post(path, json={"tags": [{"name": "z"}]}, headers=append).status_code == 201
    assert names() == ["x", "y", "z"] and names("?sort_key=name&sort_dir=asc&limit=1&marker=x") == ["y"]
    assert admin.post(path, json={"tags": [{"name": "z"}]}, headers=append).status_code == 409
    assert admin.put(f"{path}/x", json={"name": "y"}).status_code == 409
    assert admin.put(f"{path}/x", json={"name": "w"}).json()["name"] == "w"
    assert admin.post(path, json={"tags": [{"nope": "z"}]}).status_code == 400
    assert admin.post(f"{path}/{'x' * 81}").status_code == 400
    assert admin.delete(f"{path}/w").status_code == 204 and admin.delete(f"{path}/w").status_code == 404
    assert admin.delete(path).status_code == 204 and names() == []


def test_resource_types(admin: httpx.Client, demo: httpx.Client) -> None:
    namespace(admin, "N")
    path = f"{ROOT}/N/resource_types"
    made = admin.post(path, json={"name": "OS::Cinder::Volume", "prefix": "v_", "properties_target": "image"})
    assert made.status_code == 201 and made.json()["prefix"] == "v_"
    assert demo.get(path).json() == {"resource_type_associations": [made.json()]}
    assert admin.post(path, json={"name": "OS::Cinder::Volume"}).status_code == 409
    known = demo.get("/v2/metadefs/resource_types").json()["resource_types"]
    assert [one["name"] for one in known] == ["OS::Cinder::Volume"]
    assert admin.delete(f"{path}/OS::Cinder::Volume").status_code == 204
    missing = admin.delete(f"{path}/OS::Cinder::Volume")
    assert missing.json()["message"] == "Failed to find resource type OS::Cinder::Volume to delete"
    assert len(demo.get("/v2/metadefs/resource_types").json()["resource_types"]) == 1


def test_schemas_hold_what_is_shown(admin: httpx.Client, demo: httpx.Client) -> None:
    import jsonschema

    shown = namespace(admin, "N", tags=[{"name": "t"}], properties={"p": PROPERTY}, objects=[{"name": "o"}])
    whole = demo.get(f"{ROOT}/N").json()
    one = {name: demo.get(f"/v2/schemas/metadefs/{name}").json() for name in NAMES}
    assert all(schema["name"] for schema in one.values())
    for value, schema in (
        (shown, one["namespace"]),
        (whole, one["namespace"]),
        (demo.get(ROOT).json(), one["namespaces"]),
        (demo.get(f"{ROOT}/N/objects/o").json(), one["object"]),
        (demo.get(f"{ROOT}/N/objects").json(), one["objects"]),
        (demo.get(f"{ROOT}/N/properties/p").json(), one["property"]),
        (demo.get(f"{ROOT}/N/properties").json(), one["properties"]),
        (demo.get(f"{ROOT}/N/tags/t").json(), one["tag"]),
        (demo.get(f"{ROOT}/N/tags").json(), one["tags"]),
    ):
        jsonschema.Draft4Validator(schema).validate(value)
    assert demo.get("/v2/schemas/metadefs/nope").status_code == 404


NAMES = (
    "namespace",
    "namespaces",
    "object",
    "objects",
    "property",
    "properties",
    "tag",
    "tags",
    "resource_type",
    "resource_types",
)


def test_lists_are_few_queries_however_long(glance: Images, admin: httpx.Client) -> None:
    for n in range(6):
        namespace(admin, f"n{n}", resource_type_associations=[{"name": "r"}])
    counts = glance.running.statements
    counts.clear()
    assert len(admin.get(ROOT).json()["namespaces"]) == 6
    assert counts == [2]


def test_definitions_of_a_fresh_cloud(glance: Images, admin: httpx.Client, demo: httpx.Client) -> None:
    """They are what the API itself would have taken, they are written once, and what was deleted does not come back."""
    door.load_default_metadefs(glance.running.db)
    found = demo.get("/v2/metadefs/namespaces").json()["namespaces"]
    names = {one["namespace"] for one in found}
    assert {"OS::Compute::VirtCPUTopology", "OS::Compute::LibvirtImage", "OS::OperatingSystem"} <= names
    types = [one["name"] for one in demo.get("/v2/metadefs/resource_types").json()["resource_types"]]
    assert {"OS::Glance::Image", "OS::Nova::Flavor", "OS::Cinder::Volume"} <= set(types)
    for name in names:
        path = f"/v2/metadefs/namespaces/{name}"
        whole = admin.get(path).json()
        assert whole["visibility"] == "public" and whole["protected"] and whole["resource_type_associations"]
        assert whole.get("properties") or whole.get("objects")
        again = {**whole, "namespace": f"copy of {name}"}
        for made_by_us in ("self", "schema", "created_at", "updated_at", "owner"):
            again.pop(made_by_us)
        for kind in again.get("objects", ()):
            for made_by_us in ("self", "schema", "created_at", "updated_at"):
                kind.pop(made_by_us, None)
        for association in again["resource_type_associations"]:
            for made_by_us in ("created_at", "updated_at"):
                association.pop(made_by_us, None)
        answer = admin.post("/v2/metadefs/namespaces", json=again)
        assert answer.status_code == 201, answer.text
    topology = demo.get("/v2/metadefs/namespaces/OS::Compute::VirtCPUTopology?resource_type=OS::Nova::Flavor").json()
    assert "hw:cpu_cores" in topology["properties"]
    change = {"namespace": "OS::OperatingSystem", "visibility": "public", "protected": False}
    assert admin.put("/v2/metadefs/namespaces/OS::OperatingSystem", json=change).status_code == 200
    assert admin.delete("/v2/metadefs/namespaces/OS::OperatingSystem").status_code == 204
    door.load_default_metadefs(glance.running.db)
    assert admin.get("/v2/metadefs/namespaces/OS::OperatingSystem").status_code == 404
