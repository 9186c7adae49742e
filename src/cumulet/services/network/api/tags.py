"""Operations on tags of every noun that can be tagged. Who may tag is asked of the tagged resource."""

from __future__ import annotations

from cumulet.http import Call, Target
from cumulet.http.bodies import Query, under
from cumulet.http.faults import NotFound
from cumulet.services.network import faults
from cumulet.services.network.api import floatingips, networks, ports, routers, security_groups, subnets
from cumulet.services.network.bodies import Given
from cumulet.services.network.extension import Body
from cumulet.services.network.model import tags as model
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.model.standard_attributes import change
from cumulet.services.network.nouns import find, require, target
from cumulet.services.network.service import network as service
from cumulet.services.network.tables import StandardRow
from cumulet.services.network.wire.attributes import Refused, items, text

NOUNS = {
    "networks": networks.NOUN,
    "subnets": subnets.NOUN,
    "ports": ports.NOUN,
    "routers": routers.NOUN,
    "floatingips": floatingips.NOUN,
    "security_groups": security_groups.NOUN,
    "security-groups": security_groups.NOUN,
}


Tagged = tuple[Noun, StandardRow]


class _Tagged(Target):
    """The resource of the path, when the caller may do to its tags what the operation's rule says of a network's."""

    params = ("collection", "resource_id")

    def reached(self, call: Call) -> Tagged:
        """See `Target`."""
        noun = NOUNS.get(call.params["collection"])
        if noun is None:
            raise NotFound("The resource could not be found.", code="HTTPNotFound")
        row = find(call, noun, call.params["resource_id"])
        against, verb = target(call, noun, row), (call.operation.policy or "").partition("_")[0]
        if verb != "get":
            require(call, noun, "update", against, {})
        call.require(f"{verb}_{noun.resource.name}:tags", against)
        return noun, row


TAGGED = _Tagged()
TAGS = under("tags", [str])


def _touched(call: Call, noun: Noun, row: StandardRow) -> None:
    change(call.tx, noun.table, row.id)


def _word(tag: str) -> str:
    if not tag or len(tag) > 255 or "," in tag or "/" in tag:
        raise faults.invalid_input(f"'{tag}' is not a valid tag")
    return tag


@service.get(
    "/v2.0/{collection}/{resource_id}/tags", target=TAGGED, policy="get_network:tags", response=TAGS, query=Query({})
)
def list_tags(call: Call, tagged: Tagged) -> Body:
    """List tags of a resource."""
    _, row = tagged
    return {"tags": model.of(call.tx, [row.id]).get(row.id, [])}


@service.get("/v2.0/{collection}/{resource_id}/tags/{tag}", status=204, target=TAGGED, policy="get_network:tags")
def show_tag(call: Call, tagged: Tagged, tag: str) -> None:
    """Tell whether a resource has a tag."""
    _, row = tagged
    if tag not in model.of(call.tx, [row.id]).get(row.id, []):
        raise NotFound(f"Tag {tag} could not be found.", code="TagNotFound")


@service.put(
    "/v2.0/{collection}/{resource_id}/tags",
    target=TAGGED,
    policy="update_network:tags",
    request=Given(under("tags", [str])),
    response=TAGS,
)
def replace_tags(call: Call, tagged: Tagged) -> Body:
    """Replace all tags of a resource."""
    noun, row = tagged
    try:
        wanted = [_word(tag) for tag in items(text(255))(call.body.get("tags"))]
    except Refused as refused:
        raise faults.invalid("tags", str(refused)) from None
    if len(wanted) > model.MOST:
        raise faults.invalid("tags", f"the number of tags exceeds the maximum {model.MOST}")
    model.replace(call.tx, row.id, wanted)
    _touched(call, noun, row)
    return {"tags": sorted(wanted)}


@service.put("/v2.0/{collection}/{resource_id}/tags/{tag}", status=201, target=TAGGED, policy="update_network:tags")
def add_tag(call: Call, tagged: Tagged, tag: str) -> None:
    """Add a tag to a resource."""
    noun, row = tagged
    have = model.of(call.tx, [row.id]).get(row.id, [])
    if len(have) >= model.MOST and tag not in have:
        raise faults.invalid("tags", f"the number of tags exceeds the maximum {model.MOST}")
    model.add(call.tx, row.id, [_word(tag)])
    _touched(call, noun, row)


@service.delete("/v2.0/{collection}/{resource_id}/tags", target=TAGGED, policy="delete_network:tags")
def clear_tags(call: Call, tagged: Tagged) -> None:
    """Remove all tags of a resource."""
    noun, row = tagged
    model.forget(call.tx, [row.id])
    _touched(call, noun, row)


@service.delete("/v2.0/{collection}/{resource_id}/tags/{tag}", target=TAGGED, policy="delete_network:tags")
def remove_tag(call: Call, tagged: Tagged, tag: str) -> None:
    """Remove a tag from a resource."""
    noun, row = tagged
    if not model.drop(call.tx, row.id, tag):
        raise NotFound(f"Tag {tag} could not be found.", code="TagNotFound")
    _touched(call, noun, row)
