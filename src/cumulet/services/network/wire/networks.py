"""The network's own attributes on the wire; extensions add more."""

from cumulet.services.network.wire.attributes import ID, NAME, READ_ONLY, Attribute, Resource, boolean

NETWORK = Resource(
    "network",
    "networks",
    {
        "id": ID,
        "name": NAME,
        "admin_state_up": Attribute(boolean, True),
        "status": READ_ONLY,
        "subnets": READ_ONLY,
        "shared": Attribute(boolean, False, guarded=True),
    },
)
