"""The port's own attributes on the wire; extensions add more."""

from cumulet.services.network.wire.attributes import (
    ID,
    NAME,
    READ_ONLY,
    REQUIRED,
    Attribute,
    Resource,
    boolean,
    fixed_ips,
    mac_address,
    text,
    uuid,
)

PORT = Resource(
    "port",
    "ports",
    {
        "id": ID,
        "name": NAME,
        "network_id": Attribute(uuid, REQUIRED, put=False),
        "admin_state_up": Attribute(boolean, True),
        "mac_address": Attribute(mac_address, guarded=True),
        "fixed_ips": Attribute(fixed_ips, guarded=True),
        "device_id": Attribute(text(), ""),
        "device_owner": Attribute(text(), "", guarded=True),
        "status": READ_ONLY,
    },
)
