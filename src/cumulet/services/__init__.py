"""The services, one folder each. They meet through each other's `door` only.

This list is all that has to be told elsewhere of a new one (``docs/extending.md``): it goes to the end, as the order is
that of the ports behind ``port_base``.
"""

SERVICES = (
    "cumulet.services.identity",
    "cumulet.services.image",
    "cumulet.services.compute",
    "cumulet.services.placement",
    "cumulet.services.network",
    "cumulet.services.compute.metadata",
    "cumulet.services.compute.console",
    "cumulet.fleet",
)
