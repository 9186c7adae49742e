"""Requests to image's operations, and the images and namespaces of the project *own* that they are about."""

from __future__ import annotations

from typing import Any

from tests.matrix.asking import Ask
from tests.matrix.world import World

_RAW = {"disk_format": "raw", "container_format": "bare"}
_OCTETS = {"content-type": "application/octet-stream"}
_PATCH = {"content-type": "application/openstack-images-v2.1-json-patch"}
_RENAME = [{"op": "replace", "path": "/name", "value": "renamed"}]
_FRESH = {"image_id": "$fresh"}
_QUEUED = {"image_id": "$queued"}
_SHARED = {"image_id": "$shared"}
_PROPERTY = {"name": "cores", "title": "Cores", "type": "integer"}
_NEW = {"name": "new"}
_NAMESPACES = "/v2/metadefs/namespaces"
_NAMESPACE = _NAMESPACES + "/{namespace}"
_PUBLIC = {"namespace": "everyones"}


def _each(*, body: Any = None, **ask: Any) -> list[Ask]:
    """To a private image, and to those that others see."""
    others = ("shared", "community", "public")
    return [Ask(body, **ask)] + [Ask(body, label=name, where={"image_id": f"${name}"}, **ask) for name in others]


def _both(body: Any = None, **where: str) -> list[Ask]:
    """In a private namespace and in a public one."""
    return [Ask(body, where=where), Ask(body, "public", where={**_PUBLIC, **where})]


def _held(noun: str, name: str, key: str, body: dict[str, Any]) -> dict[str, list[Ask]]:
    """Operations of what a namespace holds. `name`: what there is one of."""
    path = f"{_NAMESPACE}/{noun}"
    return {
        f"GET {path}": _both(),
        f"DELETE {path}": _both(),
        f"POST {path}": _both(body),
        f"GET {path}/{{name}}": _both(name=name),
        f"PUT {path}/{{name}}": _both(body | {"name": name}, name=name),
        f"DELETE {path}/{{name}}": _both(name=name),
    }


_MEMBERS = "/v2/images/{image_id}/members"

REQUESTS: dict[str, list[Ask]] = {
    "GET /": [Ask()],
    "GET /versions": [Ask()],
    "GET /v1": [Ask()],
    "GET /v1/{*rest}": [Ask()],
    "POST /v1/{*rest}": [Ask()],
    "GET /v2": [Ask()],
    "PUT /v2/images/{image_id}/file": [Ask(b"bytes", headers=_OCTETS, where=_FRESH, kept=True)],
    "PUT /v2/images/{image_id}/stage": [Ask(b"bytes", headers=_OCTETS, where=_FRESH, kept=True)],
    "GET /v2/images/{image_id}/file": _each(),
    "POST /v2/images": [
        Ask(_RAW | {"name": "new"}),
        Ask(_RAW | {"name": "new", "owner": "$own"}, "for the project own"),
        Ask(_RAW | {"name": "new", "visibility": "community"}, "community"),
        Ask(_RAW | {"name": "new", "visibility": "public"}, "public"),
    ],
    "GET /v2/images": [
        Ask(query="name=image_id", shows="$image_id"),
        Ask(label="of the project own", query="name=image_id&owner=$own", shows="$image_id"),
        Ask(label="shared", query="name=shared&visibility=shared&member_status=all", shows="$shared"),
        Ask(label="community", query="name=community&visibility=community", shows="$community"),
        Ask(label="public", query="name=public&visibility=public", shows="$public"),
    ],
    "GET /v2/images/{image_id}": _each(),
    "PATCH /v2/images/{image_id}": [
        *_each(body=_RENAME, headers=_PATCH),
        Ask([{"op": "replace", "path": "/visibility", "value": "public"}], "make public", headers=_PATCH),
    ],
    "DELETE /v2/images/{image_id}": _each(),
    "POST /v2/images/{image_id}/actions/deactivate": _each(),
    "POST /v2/images/{image_id}/actions/reactivate": _each(),
    "POST /v2/images/{image_id}/import": [Ask({"method": {"name": "glance-direct"}}, where=_QUEUED)],
    "GET /v2/images/{image_id}/tasks": _each(),
    "PUT /v2/images/{image_id}/tags/{tag}": _each(),
    "DELETE /v2/images/{image_id}/tags/{tag}": _each(),
    "GET /v2/info/import": [Ask()],
    "GET /v2/info/stores": [Ask()],
    f"POST {_MEMBERS}": [Ask({"member": "$far"}, where=_SHARED)],
    f"GET {_MEMBERS}": [Ask(where=_SHARED, shows="$near")],
    f"GET {_MEMBERS}/{{member_id}}": [Ask(where=_SHARED)],
    f"PUT {_MEMBERS}/{{member_id}}": [Ask({"status": "accepted"}, where=_SHARED)],
    f"DELETE {_MEMBERS}/{{member_id}}": [Ask(where=_SHARED)],
    f"GET {_NAMESPACES}": [Ask(shows="owns"), Ask(label="public", shows="everyones")],
    f"POST {_NAMESPACES}": [Ask({"namespace": "new"})],
    f"GET {_NAMESPACE}": _both(),
    f"PUT {_NAMESPACE}": [Ask({"namespace": "owns"}), Ask({"namespace": "everyones"}, "public", where=_PUBLIC)],
    f"DELETE {_NAMESPACE}": _both(),
    **_held("objects", "object", "object", _NEW),
    **_held("properties", "property", "property", _PROPERTY),
    "GET /v2/metadefs/resource_types": [Ask()],
    f"GET {_NAMESPACE}/resource_types": _both(),
    f"POST {_NAMESPACE}/resource_types": _both({"name": "OS::New"}),
    f"DELETE {_NAMESPACE}/resource_types/{{name}}": _both(name="OS::Thing"),
    **_held("tags", "tag", "tag", _NEW),
    f"POST {_NAMESPACE}/tags": _both({"tags": [_NEW]}),
    f"POST {_NAMESPACE}/tags/{{name}}": _both(name="new"),
    "GET /v2/schemas/{name}": [Ask(where={"name": "image"})],
    "GET /v2/schemas/metadefs/{name}": [Ask(where={"name": "namespace"})],
    "GET /v2/cache": [Ask()],
    "DELETE /v2/cache": [Ask()],
    "PUT /v2/cache/{image_id}": [Ask()],
    "DELETE /v2/cache/{image_id}": [Ask()],
    "POST /v2/cache/clean": [Ask()],
    "POST /v2/cache/prune": [Ask()],
    "GET /v2/info/stores/detail": [Ask()],
    "GET /v2/info/usage": [Ask()],
    "POST /v2/images/{image_id}/locations": [Ask({"url": "http://192.0.2.1/image"}, where=_QUEUED)],
    "GET /v2/images/{image_id}/locations": _each(),
    "DELETE /v2/stores/{store_id}/{image_id}": _each(),
    "POST /v2/tasks": [Ask({"type": "import", "input": {}})],
    "GET /v2/tasks": [Ask()],
    "GET /v2/tasks/{task_id}": [Ask()],
    "DELETE /v2/tasks/{task_id}": [Ask()],
}


def build(world: World) -> None:
    """Images of every visibility with bytes in them, one without, a namespace of each kind. All but what takes an
    administrator is made by a member of *own*."""
    ids, admin = world.ids, world.tokens["own admin"]

    def ask(method: str, path: str, body: Any, **headers: str) -> Any:
        return world.ask(method, path, body, admin, headers, "image")

    ids.update(
        member_id=ids["near"], tag="tag", rest="images", store_id="file", task_id="6d4c1a62-7d2e-4a4c-9a86-2a51b1d6a1f0"
    )
    ids["namespace"] = "owns"
    for name, visibility in (
        ("queued", "private"),
        ("image_id", "private"),
        ("shared", "shared"),
        ("community", "community"),
        ("public", "public"),
    ):
        fields = _RAW | {"name": name, "visibility": visibility, "owner": ids["own"], "tags": ["tag"]}
        ids[name] = ask("POST", "/v2/images", fields)["id"]
        if name != "queued":
            ask("PUT", f"/v2/images/{ids[name]}/file", b"bytes", **_OCTETS)
    ask("POST", f"/v2/images/{ids['shared']}/members", {"member": ids["near"]})
    for name, visibility in (("owns", "private"), ("everyones", "public")):
        ask("POST", _NAMESPACES, {"namespace": name, "visibility": visibility, "owner": ids["own"]})
        ask("POST", f"{_NAMESPACES}/{name}/objects", {"name": "object"})
        ask("POST", f"{_NAMESPACES}/{name}/properties", _PROPERTY | {"name": "property"})
        ask("POST", f"{_NAMESPACES}/{name}/tags/tag", None)
        ask("POST", f"{_NAMESPACES}/{name}/resource_types", {"name": "OS::Thing"})


def renew(world: World) -> None:
    """Another image without bytes, as ``$fresh``."""
    fields = _RAW | {"name": "fresh", "visibility": "private", "owner": world.ids["own"]}
    token = world.tokens["cloud admin"]
    world.ids["fresh"] = world.ask("POST", "/v2/images", fields, token, None, "image")["id"]
