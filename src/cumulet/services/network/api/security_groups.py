"""Operations on security groups."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.services.network.bodies import Created, Creation, Filters, ShownList
from cumulet.services.network.crud import crud, make, plan
from cumulet.services.network.extension import Body
from cumulet.services.network.model import default_groups
from cumulet.services.network.model import security_groups as model
from cumulet.services.network.nouns import Listed, listing, room
from cumulet.services.network.service import network as service

NOUN = model.NOUN

crud(service, NOUN, model, but="list create")


def with_default(call: Call) -> None:
    """The caller's project has its default group: made on the first look, as Neutron does."""
    project_id = call.caller.project_id
    if project_id is None:
        return
    with call.db.read() as tx:
        if default_groups.default_group(tx, project_id) is not None:
            return
    with call.transaction() as tx:
        default_groups.ensure_default(tx, project_id)


@service.get(
    "/v2.0/security-groups",
    target=Listed(NOUN),
    policy="get_security_group",
    transaction="none",
    response=ShownList(NOUN),
    query=Filters(NOUN),
)
def list_security_groups(call: Call, allowed: bool) -> Body:
    """List security groups."""
    with_default(call)
    with call.reading():
        return listing(call, NOUN, allowed)


@service.post(
    "/v2.0/security-groups",
    status=201,
    policy_in_handler="create_security_group",
    request=Creation(NOUN),
    response=Created(NOUN),
)
def create_security_groups(call: Call) -> Body:
    """Create a security group, or several at once."""
    items, bulk = call.body
    room(call, NOUN, items)
    plans = [plan(call, NOUN, given) for given in items]
    for project_id in {each.project_id for each in plans}:
        default_groups.ensure_default(call.tx, project_id)
    return make(call, NOUN, model, plans, bulk=bulk)
