"""Tags of a namespace: words that resources may be tagged with."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.services.image.api.access import NAMESPACE
from cumulet.services.image.api.metadef_namespaces import found
from cumulet.services.image.model.metadef_contents import TAGS, tag_columns
from cumulet.services.image.service import image as service
from cumulet.services.image.tables import NamespaceRow
from cumulet.services.image.wire import metadefs as wire
from cumulet.services.image.wire import pages

_PATH = "/v2/metadefs/namespaces/{namespace}/tags"
_ONE = _PATH + "/{name}"
_TRUE = ("1", "t", "true", "on", "y", "yes")


@service.get(_PATH, target=NAMESPACE, policy="get_metadef_tags", response=wire.TAG_NAMES, query=wire.SORTED)
def index(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """List tags of a namespace."""
    listed = TAGS.listed(call.tx, space, pages.simple(call.query, pages.WHOLE))
    return {"tags": [{"name": one.name} for one in listed]}


@service.post(
    _PATH, status=201, request=wire.TAGS_BODY, target=NAMESPACE, policy="add_metadef_tags", response=wire.TAG_NAMES
)
def create_many(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """Replace all tags of a namespace, or add to them with the header X-Openstack-Append."""
    body = call.body
    names = [one["name"] for one in body.get("tags", ())]
    if names and call.headers.get("x-openstack-append", "").strip().lower() not in _TRUE:
        TAGS.delete_all(call.tx, space)
    TAGS.create(call.tx, space, *tag_columns(names))
    return {"tags": [{"name": name} for name in names]}


@service.post(_ONE, status=201, policy_in_handler="add_metadef_tag", response=wire.SHOWN_TAG)
def create(call: Call, namespace: str, name: str) -> dict[str, Any]:
    """Create a tag."""
    wire.given("tag", wire.TAG, {"name": name})
    row = found(call, namespace, "add_metadef_tag")
    TAGS.create(call.tx, row, *tag_columns([name]))
    return wire.tag_shown(TAGS.get(call.tx, row, name))


@service.get(_ONE, target=NAMESPACE, policy="get_metadef_tag", response=wire.SHOWN_TAG)
def show(call: Call, space: NamespaceRow, name: str) -> dict[str, Any]:
    """Show a tag."""
    return wire.tag_shown(TAGS.get(call.tx, space, name))


@service.put(_ONE, request=wire.TAG_BODY, target=NAMESPACE, policy="modify_metadef_tag", response=wire.SHOWN_TAG)
def update(call: Call, space: NamespaceRow, name: str) -> dict[str, Any]:
    """Rename a tag."""
    body = call.body
    return wire.tag_shown(TAGS.update(call.tx, space, TAGS.get(call.tx, space, name), {"name": body["name"]}))


@service.delete(_ONE, target=NAMESPACE, policy="delete_metadef_tag")
def delete(call: Call, space: NamespaceRow, name: str) -> None:
    """Delete a tag."""
    TAGS.delete(call.tx, space, TAGS.get(call.tx, space, name))
