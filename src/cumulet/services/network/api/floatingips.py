"""Operations on floating ips."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.services.network.bodies import Changed, Creation
from cumulet.services.network.crud import crud, make, plan
from cumulet.services.network.extension import Body
from cumulet.services.network.model import floatingips as model
from cumulet.services.network.service import network as service

NOUN = model.NOUN

crud(service, NOUN, model, but="create")


@service.post(
    "/v2.0/floatingips",
    status=201,
    policy_in_handler="create_floatingip",
    request=Creation(NOUN),
    response=Changed(NOUN),
)
def create_floatingip(call: Call) -> Body:
    """Create a floating ip, and make it lead to a port."""
    (given,), _ = call.body
    explicit = {name: value for name, value in given.items() if value is not None}
    return make(call, NOUN, model, [plan(call, NOUN, given, asked=explicit)], bulk=False)
