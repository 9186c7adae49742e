"""Identity's operations, one module per noun; importing this package declares all of them."""

from cumulet.services.identity.api import (
    auth,
    discovery,
    domains,
    endpoints,
    grants,
    groups,
    limits,
    project_tags,
    projects,
    regions,
    registered_limits,
    role_assignments,
    roles,
    services,
    tokens,
    users,
)

LOADED = (
    auth,
    discovery,
    domains,
    endpoints,
    grants,
    groups,
    limits,
    project_tags,
    projects,
    regions,
    registered_limits,
    role_assignments,
    roles,
    services,
    tokens,
    users,
)
