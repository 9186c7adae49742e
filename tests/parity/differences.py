"""Fields that differ from OpenStack's references, and why: a pattern of what `test_fields` finds → the reason.

``+`` is theirs alone, ``-`` ours alone.
"""

from __future__ import annotations

KNOWN: dict[str, dict[str, str]] = {
    "compute": {
        r"^GET \S+(detail|\{server_id\}|servers) response at 2\.69: ": "Of a server in a cell that is away.",
        r"^GET /v2\.1/os-services response at 2\.69: ": "Likewise, of services.",
        r"^POST /v2\.1/servers request at 2\.9[04]: \+server/personality$": "Nova refuses it itself, from 2.57 on.",
        r"^GET /v2\.1/os-hypervisors/detail response at 2\.88: \+hypervisors/uptime$": (
            "Ours says it of one hypervisor alone; to be mended with a change of behaviour."
        ),
        r"^PUT \S+ response at 2\.7[13]: \+server/server_groups$": (
            "Ours answers it from 2.75 on, with all else; to be mended with a change of behaviour."
        ),
    },
    "identity": {
        r"^(GET /v3/auth/catalog|PUT /v3/projects/\{project_id\}/tags) response at 3\.0: \+links/": (
            "These are not cut into pages; Keystone's code answers `self` alone."
        ),
        r"^PUT /v3/projects/\{project_id\}/tags response at 3\.0: \+projects$": "The sample is one of projects.",
        r"^GET /v3/role_inferences response .*/description$": "Keystone's code answers the id, the name and links.",
        r"^GET / response at 3.0: .*/links/type$": "Of version 2.0; version 3's links have none in Keystone's code.",
        r"endpoint_groups/endpoint_group$": "The sample nests what Keystone's code answers flat.",
        r"service_provider/sp_auth$": "A slip of the sample: the field is sp_url.",
    },
    "image": {
        r"^GET /v2/images/\{image_id\}/tasks response at 2\.0: \+tasks/(request-id|user)$": (
            "Slips of the sample: Glance's code answers request_id and user_id."
        ),
    },
    "placement": {},
}

ATTRIBUTES: dict[str, str] = {
    r"/(description|created_at|updated_at|revision_number|tags): -": "Neutron itself adds these to every resource.",
    r"^(security_groups|security_group_rules|ports/security_groups)\b": "Neutron itself defines security groups.",
    r"^ports/dns_domain: -": "Of dns-domain-ports, whose alias ours does not show beside dns-integration.",
    r"^subnets/prefixlen: \+post$": "Of subnet pools, which are not there.",
}
"""Of network's attributes: ``+`` is what Neutron's definition allows and ours does not, ``-`` the other way."""
