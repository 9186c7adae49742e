"""The network's own attributes on the wire; extensions add more."""

from cumulet.services.network.wire.attributes import ID, NAME, READ_ONLY, Attribute, Resource, boolean, read_only

NETWORK = Resource(
    "network",
    "networks",
    {
        "id": ID,
        "name": NAME,
        "admin_state_up": Attribute(boolean, True),
        "status": READ_ONLY,
        "subnets": read_only([str]),
        "shared": Attribute(boolean, False, guarded=True),
    },
)
