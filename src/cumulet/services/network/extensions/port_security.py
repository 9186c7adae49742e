"""Whether a port is filtered and held to its own addresses; ports of a network begin as it says."""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.services.network.check_strings import ADMIN_OR_NET_OWNER, MEMBER, rules
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, boolean


def settle(_tx: Transaction, draft: PortDraft) -> None:
    """A new port is as its network says when the client says nothing; what the cloud itself plugs in is trusted."""
    if draft.row is None:
        assert draft.parent is not None
        asked = draft.given("port_security_enabled", draft.parent.port_security_enabled)
        trusted = draft.columns["device_owner"].startswith("network:")
        draft.columns["port_security_enabled"] = bool(asked and not trusted)


EXTENSION = Extension(
    "port-security",
    "Port Security",
    "Provides port security",
    adds={
        "network": {"port_security_enabled": Attribute(boolean, True, guarded=True)},
        "port": {"port_security_enabled": Attribute(boolean, guarded=True)},
    },
    rules=[
        *rules("create_network:port_security_enabled update_network:port_security_enabled", MEMBER),
        *rules("create_port:port_security_enabled update_port:port_security_enabled", ADMIN_OR_NET_OWNER),
    ],
    settles={"port": settle},
)
