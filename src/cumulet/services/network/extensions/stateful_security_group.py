"""Whether a group's rules follow connections."""

from __future__ import annotations

from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, boolean

EXTENSION = Extension(
    "stateful-security-group",
    "Stateful security group",
    "Indicates if the security group is stateful or not",
    adds={"security_group": {"stateful": Attribute(boolean, True)}},
)
