"""Policy of the network service: Neutron's rule names and defaults. Extensions bring their own.

Targets are the resource's own attributes; `network:project_id` (or `ext_parent:…`) is the owner of what it belongs to.
"""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.auth.policy import EXTENSIONS
from cumulet.services.network import extensions
from cumulet.services.network.check_strings import (
    ADMIN,
    ADMIN_OR_NET_OWNER,
    MEMBER,
    NET_OWNER,
    NET_READER,
    READER,
    plain_rules,
    rules,
)

EXTENSIONS.append("cumulet.services.network.field_check")

RULES: list[Rule] = [
    Rule("admin_only", "rule:context_is_admin"),
    Rule("regular_user", ""),
    Rule("service_api", "role:service"),
    Rule("owner", "project_id:%(project_id)s"),
    Rule("admin_or_owner", "rule:context_is_admin or rule:owner"),
    Rule("context_is_advsvc", "role:advsvc or role:service"),
    Rule("admin_or_network_owner", "rule:context_is_admin or project_id:%(network:project_id)s"),
    Rule("admin_owner_or_network_owner", "rule:owner or rule:admin_or_network_owner"),
    Rule("admin_or_ext_parent_owner", "rule:context_is_admin or project_id:%(ext_parent:project_id)s"),
    Rule("shared", "field:networks:shared=True"),
    Rule("external", "field:networks:router:external=True"),
    Rule("network_device", "field:port:device_owner=~^network:"),
    *plain_rules("network", f"{READER} or rule:shared or rule:external or rule:context_is_advsvc"),
    *rules("create_network:shared update_network:shared", ADMIN),
    Rule("create_subnet", f"{ADMIN} or {NET_OWNER}"),
    Rule("get_subnet", f"{READER} or rule:shared or {NET_READER}"),
    *rules("update_subnet delete_subnet", f"{MEMBER} or {NET_OWNER}"),
    Rule("create_port", f"{MEMBER} or rule:service_api"),
    Rule("get_port", f"{READER} or {NET_READER} or rule:service_api"),
    Rule("update_port", f"{MEMBER} or rule:service_api"),
    Rule("delete_port", f"{MEMBER} or {NET_OWNER} or rule:service_api"),
    *rules(
        "create_port:mac_address create_port:fixed_ips create_port:fixed_ips:ip_address update_port:fixed_ips "
        "update_port:fixed_ips:ip_address",
        ADMIN_OR_NET_OWNER,
    ),
    *rules("create_port:fixed_ips:subnet_id update_port:fixed_ips:subnet_id", f"{ADMIN_OR_NET_OWNER} or rule:shared"),
    *rules("create_port:device_owner update_port:device_owner", f"not rule:network_device or {ADMIN_OR_NET_OWNER}"),
    Rule("update_port:mac_address", f"{ADMIN} or rule:service_api"),
    *extensions.rules(),
]
