"""Compute's policy rules, under Nova's names and with Nova's defaults."""

from __future__ import annotations

from cumulet.auth import Rule

_ADMIN = "rule:context_is_admin"
_MEMBER = "rule:project_member_or_admin"
_READER = "rule:project_reader_or_admin"
_ANY = "@"
_OWN_KEY = "(rule:context_is_admin) or user_id:%(user_id)s"

_DEFAULTS: dict[str, tuple[str, ...]] = {
    _ANY: (
        "extensions",
        "os-availability-zone:list",
        "os-quota-sets:defaults",
        "limits",
    ),
    _OWN_KEY: ("os-keypairs:index", "os-keypairs:create", "os-keypairs:delete", "os-keypairs:show"),
    _READER: (
        "os-flavor-extra-specs:index",
        "os-flavor-extra-specs:show",
        "servers:index",
        "servers:detail",
        "servers:show",
        "server-metadata:index",
        "server-metadata:show",
        "os-server-tags:index",
        "os-server-tags:show",
        "os-instance-actions:list",
        "os-instance-actions:show",
        "os-attach-interfaces:list",
        "os-attach-interfaces:show",
        "os-security-groups:list",
        "ips:index",
        "ips:show",
        "os-quota-sets:show",
        "os-quota-sets:detail",
        "os-simple-tenant-usage:show",
    ),
    _MEMBER: (
        "servers:create",
        "servers:create:attach_network",
        "servers:create:attach_volume",
        "servers:create:trusted_certs",
        "servers:update",
        "servers:delete",
        "servers:start",
        "servers:stop",
        "servers:reboot",
        "os-deferred-delete:force",
        "server-metadata:create",
        "server-metadata:update",
        "server-metadata:update_all",
        "server-metadata:delete",
        "os-server-tags:update",
        "os-server-tags:update_all",
        "os-server-tags:delete",
        "os-server-tags:delete_all",
        "os-console-output",
        "os-remote-consoles",
        "os-security-groups:add",
        "os-security-groups:remove",
        "os-floating-ips:add",
        "os-floating-ips:remove",
    ),
    _ADMIN: (
        "os-flavor-manage:create",
        "os-flavor-manage:update",
        "os-flavor-manage:delete",
        "os-flavor-extra-specs:create",
        "os-flavor-extra-specs:update",
        "os-flavor-extra-specs:delete",
        "os-flavor-access",
        "os-flavor-access:add_tenant_access",
        "os-flavor-access:remove_tenant_access",
        "servers:index:get_all_tenants",
        "servers:detail:get_all_tenants",
        "servers:allow_all_filters",
        "servers:show:host_status",
        "servers:create:forced_host",
        "compute:servers:create:requested_destination",
        "servers:create:zero_disk_flavor",
        "os-extended-server-attributes",
        "os-instance-actions:events",
        "os-instance-actions:events:details",
        "os-instance-actions:system:details",
        "os-server-diagnostics",
        "os-aggregates:index",
        "os-availability-zone:detail",
        "os-services:list",
        "os-services:update",
        "os-services:delete",
        "os-hypervisors:list",
        "os-hypervisors:list-detail",
        "os-hypervisors:show",
        "os-hypervisors:statistics",
        "os-hypervisors:uptime",
        "os-hypervisors:search",
        "os-hypervisors:servers",
        "os-quota-sets:update",
        "os-quota-sets:delete",
        "os-quota-class-sets:show",
        "os-quota-class-sets:update",
        "os-simple-tenant-usage:list",
        "limits:other_project",
    ),
}


def _name(short: str) -> str:
    return short if short.startswith("compute:") else f"os_compute_api:{short}"


RULES = [Rule(_name(short), check) for check, names in _DEFAULTS.items() for short in names]
