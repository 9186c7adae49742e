"""For which owners of ports a subnet has addresses."""

from __future__ import annotations

from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, items, text

EXTENSION = Extension(
    "subnet-service-types",
    "Subnet service types",
    "Provides ability to set the subnet service_types field",
    adds={"subnet": {"service_types": Attribute(items(text(255)), [], guarded=True)}},
    rules=rules("create_subnet:service_types update_subnet:service_types", ADMIN),
)
