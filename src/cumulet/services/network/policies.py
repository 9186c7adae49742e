"""Policy of the network service: Neutron's rule names and defaults.

Targets are the resource's own attributes; `network:project_id` (or `ext_parent:…`) is the owner of what it belongs to.
"""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.auth.policy import EXTENSIONS

EXTENSIONS.append("cumulet.services.network.field_check")

ADMIN = "rule:admin_only"
ANY = "rule:regular_user"
MEMBER = "(rule:admin_only) or (role:member and project_id:%(project_id)s)"
READER = "(rule:admin_only) or (role:reader and project_id:%(project_id)s)"
NET_OWNER = "(role:member and project_id:%(network:project_id)s)"
NET_READER = "(role:reader and project_id:%(network:project_id)s)"
PARENT_MEMBER = "(rule:admin_only) or (role:member and project_id:%(ext_parent:project_id)s)"
PARENT_READER = "(rule:admin_only) or (role:reader and project_id:%(ext_parent:project_id)s)"
ADMIN_OR_NET_OWNER = f"{ADMIN} or {NET_OWNER} or rule:service_api"


def _crud(noun: str, read: str = READER, write: str = MEMBER) -> list[Rule]:
    return [
        Rule(f"create_{noun}", write),
        Rule(f"get_{noun}", read),
        Rule(f"update_{noun}", write),
        Rule(f"delete_{noun}", write),
    ]


def _for(names: str, check: str) -> list[Rule]:
    return [Rule(name, check) for name in names.split()]


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
    *_crud("network", f"{READER} or rule:shared or rule:external or rule:context_is_advsvc"),
    *_for(
        "create_network:shared create_network:router:external create_network:is_default "
        "create_network:provider:network_type create_network:provider:physical_network "
        "create_network:provider:segmentation_id get_network:provider:network_type "
        "get_network:provider:physical_network get_network:provider:segmentation_id update_network:shared "
        "update_network:router:external update_network:is_default update_network:provider:network_type "
        "update_network:provider:physical_network update_network:provider:segmentation_id",
        ADMIN,
    ),
    *_for("create_network:port_security_enabled update_network:port_security_enabled", MEMBER),
    Rule("create_subnet", f"{ADMIN} or {NET_OWNER}"),
    Rule("get_subnet", f"{READER} or rule:shared or {NET_READER}"),
    *_for("update_subnet delete_subnet", f"{MEMBER} or {NET_OWNER}"),
    *_for("create_subnet:service_types update_subnet:service_types", ADMIN),
    Rule("create_port", f"{MEMBER} or rule:service_api"),
    Rule("get_port", f"{READER} or {NET_READER} or rule:service_api"),
    Rule("update_port", f"{MEMBER} or rule:service_api"),
    Rule("delete_port", f"{MEMBER} or {NET_OWNER} or rule:service_api"),
    *_for(
        "create_port:mac_address create_port:fixed_ips create_port:fixed_ips:ip_address "
        "create_port:port_security_enabled update_port:fixed_ips update_port:fixed_ips:ip_address "
        "update_port:port_security_enabled",
        ADMIN_OR_NET_OWNER,
    ),
    *_for("create_port:fixed_ips:subnet_id update_port:fixed_ips:subnet_id", f"{ADMIN_OR_NET_OWNER} or rule:shared"),
    *_for("create_port:device_owner update_port:device_owner", f"not rule:network_device or {ADMIN_OR_NET_OWNER}"),
    Rule("update_port:mac_address", f"{ADMIN} or rule:service_api"),
    *_for("create_port:allowed_address_pairs update_port:allowed_address_pairs", f"{ADMIN} or {NET_OWNER}"),
    *_for(
        "create_port:binding:host_id create_port:binding:profile update_port:binding:host_id "
        "update_port:binding:profile",
        f"{ADMIN} or rule:service_api",
    ),
    *_for("create_port:binding:vnic_type update_port:binding:vnic_type", f"{MEMBER} or rule:service_api"),
    *_for(
        "get_port:binding:vif_type get_port:binding:vif_details get_port:binding:host_id get_port:binding:profile",
        f"{ADMIN} or rule:service_api",
    ),
    *_crud("router"),
    *_for(
        "create_router:external_gateway_info create_router:external_gateway_info:network_id "
        "update_router:external_gateway_info update_router:external_gateway_info:network_id "
        "add_router_interface remove_router_interface add_extraroutes remove_extraroutes",
        MEMBER,
    ),
    *_for(
        "create_router:external_gateway_info:enable_snat create_router:external_gateway_info:external_fixed_ips "
        "update_router:external_gateway_info:enable_snat update_router:external_gateway_info:external_fixed_ips",
        ADMIN,
    ),
    *_crud("floatingip"),
    Rule("create_floatingip:floating_ip_address", ADMIN),
    *_crud("security_group"),
    Rule("create_security_group_rule", MEMBER),
    Rule("get_security_group_rule", f"{READER} or (role:reader and project_id:%(ext_parent:project_id)s)"),
    Rule("delete_security_group_rule", MEMBER),
    *_for("get_agent update_agent delete_agent", ADMIN),
    Rule("get_quota", READER),
    *_for("update_quota delete_quota", ADMIN),
    *_for("get_availability_zone get_service_provider", "role:reader"),
    Rule("get_network_ip_availability", ADMIN),
    *_for(
        " ".join(
            f"{verb}_{noun}:tags"
            for noun in ("network", "subnet", "port", "router", "floatingip", "security_group")
            for verb in ("create", "update", "delete")
        ),
        MEMBER,
    ),
    *_for(
        " ".join(
            f"get_{noun}:tags" for noun in ("network", "subnet", "port", "router", "floatingip", "security_group")
        ),
        f"{READER} or rule:shared or rule:external",
    ),
]
