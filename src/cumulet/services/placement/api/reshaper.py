"""The reshaper: moves inventories between providers together with what is allocated of them."""

from __future__ import annotations

from cumulet.http.call import Call
from cumulet.services.placement.api.allocations import checked, refusals
from cumulet.services.placement.model import reshaper as model
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import inventories
from cumulet.services.placement.wire.reshaper import Reshape


@service.post("/reshaper", status=204, since=(1, 30), request=Reshape, policy="placement:reshaper:reshape")
def reshape(call: Call) -> None:
    """Replace inventories of providers and allocations of consumers at once: all of it or nothing.

    A class of inventory may move to another provider although it is in use, if what is allocated of it moves too.
    """
    shapes = {
        provider: model.Shape(
            body.resource_provider_generation,
            {name: inventories.parsed(fields) for name, fields in body.inventories.items()},
        )
        for provider, body in call.body.inventories.items()
    }
    holdings, generations = checked(call, call.body.allocations)
    model.check(call.tx, shapes)
    with refusals(call, holdings, generations):
        model.reshape(call.tx, shapes, list(holdings.values()))
