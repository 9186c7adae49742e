"""Identity's operations, one module per noun; importing this package declares all of them."""

from cumulet.services.identity.api import (
    auth,
    credentials,
    discovery,
    domains,
    ec2_credentials,
    endpoints,
    grants,
    groups,
    projects,
    regions,
    role_assignments,
    roles,
    services,
    tokens,
    users,
)

LOADED = (
    auth,
    credentials,
    discovery,
    domains,
    ec2_credentials,
    endpoints,
    grants,
    groups,
    projects,
    regions,
    role_assignments,
    roles,
    services,
    tokens,
    users,
)
