"""Operations of identity, one file per noun."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from cumulet.services.identity.api import (  # noqa: F401
        access_rules,
        application_credentials,
        auth,
        credentials,
        discovery,
        domain_configs,
        domains,
        ec2_credentials,
        endpoint_groups,
        endpoint_policies,
        endpoints,
        federation,
        grants,
        groups,
        identity_providers,
        limits,
        mappings,
        oauth1,
        oauth1_access_tokens,
        oauth1_consumers,
        oauth2,
        policies,
        project_endpoints,
        project_tags,
        projects,
        protocols,
        regions,
        registered_limits,
        revocations,
        role_assignments,
        roles,
        service_providers,
        services,
        signed_requests,
        tokens,
        trusts,
        users,
        version2,
    )
    from cumulet.services.identity.service import identity

    return identity
