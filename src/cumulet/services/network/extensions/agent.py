"""Agents: what of a host's node serves networks, by the names that Neutron gives to such processes."""

from __future__ import annotations

from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.extension import Extension

EXTENSION = Extension(
    "agent",
    "agent",
    "The agent management extension.",
    rules=rules("get_agent update_agent delete_agent", ADMIN),
)
