"""What names a thing that belongs to somebody: parameters of paths, fields of bodies, names in queries.

A new name fails the tests until it stands here. A thing is ``service:name`` with the matrix's name of one of alice's;
None says that the field names nothing that belongs to a tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET = "alices-secret"
"""What the secret words in alice's things begin with."""


def _known(things: str, plain: str) -> dict[str, bool]:
    return {**dict.fromkeys(things.split(), True), **dict.fromkeys(plain.split(), False)}


PATHS: dict[str, dict[str, bool]] = {
    "compute": _known(
        "server_id flavor_id name port_id project_id request_id",
        "action alias ident key label pattern service_id tag",
    ),
    "identity": _known(
        "access_rule_id access_token_id application_credential_id credential_id group_id limit_id project_id "
        "request_token_id trust_id user_id",
        "consumer_id domain_id endpoint_group_id endpoint_id group idp_id implied_role_id mapping_id option policy_id "
        "prior_role_id protocol_id provider_id region_id registered_limit_id role_id service_id value",
    ),
    "image": _known("image_id namespace task_id", "member_id name store_id tag rest"),
    "network": _known(
        "floatingip_id group_id network_id port_id project_id resource_id router_id rule_id subnet_id",
        "agent_id alias collection tag",
    ),
    "placement": _known("consumer", "name provider"),
}
"""Whether a parameter of a path names something that belongs to a tenant."""


@dataclass(frozen=True)
class Names:
    """A field that names `thing`. `value`: what the field holds, with the id at ``$``. `beside`: what the object that
    has the field needs besides."""

    thing: str
    value: Any = "$"
    beside: Mapping[str, Any] = field(default_factory=dict)


def _fields(plain: str, **things: str | Names) -> dict[str, Names | None]:
    named = {name: each if isinstance(each, Names) else Names(each) for name, each in things.items()}
    return {**dict.fromkeys(plain.split()), **named}


_DISK = {"source_type": "image", "destination_type": "local", "boot_index": 0}

FIELDS: dict[str, dict[str, Names | None]] = {
    "compute": {
        **_fields(
            "OS-FLV-EXT-DATA:ephemeral accessIPv4 accessIPv6 adminPass availability_zone binary boot_index "
            "config_drive contents delete_on_termination description destination_type device_name device_type "
            "disabled_reason disk disk_bus extra_specs fixed_ip forced_down guest_format host hostname "
            "hypervisor_hostname max_count min_count meta metadata name os-flavor-access:is_public path protocol type "
            "public_key ram return_reservation_id rxtx_factor snapshot_id source_type swap tag tags "
            "trusted_image_certificates user_data vcpus volume_id volume_size flavor.id block_device_mapping.uuid "
            "OS-DCF:diskConfig OS-SCH-HNT:scheduler_hints security_groups networks personality "
            "block_device_mapping block_device_mapping_v2 keypair.name status metadata.a extra_specs.hw:mem_page_size "
            "hw:cpu_policy os-getConsoleOutput length fixed_address "
            "quota_set.cores quota_class_set.cores",
            imageRef="image:secret",
            flavorRef="compute:private",
            key_name="compute:name",
            user_id="identity:user_id",
            port="network:port_id",
            tenant="identity:own",
            address="network:floating_address",
        ),
        "networks.uuid": Names("network:network_id"),
        "security_groups.name": Names("network:group_id"),
        "block_device_mapping_v2.uuid": Names("image:secret", beside=_DISK),
        "os:scheduler_hints": Names("compute:server_id", {"same_host": ["$"], "different_host": ["$"], "group": "$"}),
    },
    "identity": {
        **_fields(
            "name description url type blob config tags options password original_password enabled expires_at system "
            "secret service path method methods unscoped oauth1 external protocol identity_provider passcode region "
            "region_id parent_region_id service_id idp_id mapping_id protocol_id unique_id remote_ids auth_url sp_url "
            "relay_state_prefix remote_id_attribute resource_name schema_version explicit_domain_id domain_id "
            "domain.id role.id roles.id region.id email groups projects_json any_one_of not_any_of whitelist blacklist "
            "signature host verb params headers body_hash credentials.token credential.token ec2Credentials.token "
            "token.id username tenantName interface config.ldap.user_tree_dn limit.resource_limit "
            "limits.resource_limit registered_limit.default_limit registered_limits.default_limit impersonation "
            "SignatureVersion Timestamp",
            project_id="identity:own",
            tenant_id="identity:own",
            tenantId="identity:own",
            parent_id="identity:own",
            default_project_id="identity:own",
            user_id="identity:user_id",
            userId="identity:user_id",
            trustor_user_id="identity:user_id",
            trustee_user_id="identity:user_id",
            redelegated_trust_id="identity:trust_id",
            access="identity:ec2_id",
            AWSAccessKeyId="identity:ec2_id",
            group_ids="identity:group_id",
        ),
        "user.id": Names("identity:user_id"),
        "group.id": Names("identity:group_id"),
        "project.id": Names("identity:own"),
        "OS-TRUST:trust.id": Names("identity:trust_id"),
        "access_rules.id": Names("identity:access_rule_id"),
        "application_credential.id": Names("identity:application_credential_id"),
        "credential.id": Names("identity:credential_id"),
        "endpoint_group.id": None,
    },
    "image": _fields(
        "architecture checksum container_format created_at direct_url disk_format file hw_firmware_type locations "
        "min_disk min_ram name os_distro os_hash_algo os_hash_value os_hidden os_version protected schema self size "
        "status tags updated_at virtual_size visibility instance_uuid url metadata method uri all_stores "
        "all_stores_must_succeed stores type input validation_data description display_name title namespace "
        "properties object required prefix properties_target resource_type_associations "
        "namespace.name hidden path op value additionalItems cinder_encryption_key_deletion_policy "
        "cinder_encryption_key_id confidential default enum expires_at image_id items maxItems maxLength maximum "
        "message minItems minLength minimum objects operators pattern readonly request_id result uniqueItems user_id",
        id="image:secret",
        owner="identity:own",
        kernel_id="image:secret",
        ramdisk_id="image:secret",
        member="identity:own",
    ),
    "network": {
        **_fields(
            "admin_state_up allocation_pools allowed_address_pairs availability_zone_hints availability_zones "
            "binding:host_id binding:profile binding:vif_details binding:vif_type binding:vnic_type cidr created_at "
            "description device_owner direction distributed dns_assignment dns_domain dns_name dns_nameservers "
            "dns_publish_fixed_ip enable_dhcp ethertype extra_dhcp_opts fixed_ip_address flavor_id "
            "floating_ip_address gateway_ip ha host_routes id ip_version ipv4_address_scope ipv6_address_mode "
            "ipv6_address_scope ipv6_ra_mode is_default mac_address mtu name normalized_cidr port_details "
            "port_range_max port_range_min port_security_enabled protocol provider:network_type "
            "provider:physical_network provider:segmentation_id remote_address_group_id remote_ip_prefix "
            "revision_number router:external routes security_group_rules service_types shared stateful status "
            "subnetpool_id subnets tags updated_at quota.port quota.check_limit quota.floatingip quota.force "
            "quota.network quota.rbac_policy quota.router quota.security_group quota.security_group_rule "
            "quota.subnet quota.subnetpool",
            network_id="network:network_id",
            floating_network_id="network:network_id",
            subnet_id="network:subnet_id",
            port_id="network:port_id",
            router_id="network:router_id",
            security_group_id="network:group_id",
            remote_group_id="network:group_id",
            device_id=Names("compute:server_id", beside={"device_owner": "compute:nova"}),
            project_id="identity:own",
            tenant_id="identity:own",
            fixed_ips=Names("network:subnet_id", [{"subnet_id": "$"}]),
            security_groups=Names("network:group_id", ["$"]),
            external_gateway_info=Names("network:network_id", {"network_id": "$"}),
        ),
    },
    "placement": _fields(
        "name uuid parent_provider_uuid aggregates resource_class resources inventories traits mappings allocations "
        "consumer_type resource_provider_generation consumer_generation total VCPU",
        project_id="identity:own",
        user_id="identity:user_id",
    ),
}
"""Fields by the longest end of their dotted place in the body that stands here."""


def named(service: str, place: str) -> Names | None:
    """What a field names. KeyError when it does not stand in `FIELDS`."""
    parts = place.split(".")
    for start in range(len(parts)):
        if ".".join(parts[start:]) in FIELDS[service]:
            return FIELDS[service][".".join(parts[start:])]
    raise KeyError(place)


QUERIES: dict[str, dict[str, Names | None]] = {
    "compute": _fields(
        "binary changes-before changes-since detailed end host hypervisor_hostname_pattern is_public limit minDisk "
        "minRam sort_dir sort_key start with_servers",
        marker="compute:server_id",
        tenant_id="identity:own",
        project_id="identity:own",
        user_id="identity:user_id",
        uuid="compute:server_id",
        image="image:secret",
        flavor="compute:private",
        ip="network:server_address",
        key_name="compute:name",
        name=Names("compute:server_id", SECRET),
    ),
    "identity": {
        **_fields(
            "allow_expired domain_id effective idp_id include_names include_subtree is_domain limit nocatalog not-tags "
            "not-tags-any parents_as_ids parents_as_list protocol_id role.id scope.OS-INHERIT:inherited_to "
            "scope.domain.id scope.system since subtree_as_ids subtree_as_list tags tags-any unique_id",
            marker="identity:user_id",
            trustee_user_id="identity:trustee_id",
            trustor_user_id="identity:user_id",
            user_id="identity:user_id",
            project_id="identity:own",
            parent_id="identity:own",
            default_project_id="identity:own",
        ),
        "group.id": Names("identity:group_id"),
        "user.id": Names("identity:user_id"),
        "scope.project.id": Names("identity:own"),
    },
    "image": _fields(
        "limit member_status prefer resource_type resource_types sort sort_dir sort_key status tag type visibility",
        marker="image:secret",
        owner="identity:own",
        id="image:secret",
        name=Names("image:secret", f"{SECRET}-image"),
        note=Names("image:secret", f"{SECRET}-property"),
        kernel_id="image:secret",
    ),
    "network": _fields(
        "fields ip_version limit name network_name page_reverse resource service_type sort_dir sort_key state",
        marker="network:port_id",
        project_id="identity:own",
        tenant_id="identity:own",
        id="network:port_id",
        network_id="network:network_id",
        device_id="compute:server_id",
        port_id="network:port_id",
        router_id="network:router_id",
        subnet_id="network:subnet_id",
        security_group_id="network:group_id",
        security_groups="network:group_id",
        remote_group_id="network:group_id",
        floating_network_id="network:external",
        mac_address="network:server_mac",
        fixed_ips=Names("network:subnet_id", "subnet_id=$"),
        description=Names("network:port_id", f"{SECRET}-port"),
    ),
    "placement": _fields(
        "associated group_policy limit member_of name required resources root_required same_subtree",
        project_id="identity:own",
        user_id="identity:user_id",
        in_tree="placement:provider",
        uuid="placement:provider",
    ),
}
"""Names in queries, like `FIELDS`. The tests see which names handlers look for."""

FREE = (
    r"^identity POST /v3/users/\{user_id\}/password: ",  # with the password that stands in the request
    # A credential for a project gives nothing to who has no role there: test_18_cve_2020_12689_….
    r"^identity POST /v3/(credentials|users/\{user_id\}/credentials/OS-EC2): makes a row of alice's in "
    r"identity_credentials$",
)
"""What bob may see or change, as patterns over ``service operation: what``."""

TOLD = {
    "GET /v3/role_assignments (of a tree)?scope.project.id": "Keystone looks the project up before it asks the rule",
}
"""Where a status tells what is another's from what is nobody's."""

IGNORED = {
    r"^compute POST /v2.1/servers: server.security_groups.name$": "there are no ports; with ports it is refused",
    r"^identity POST /v3/users/\{user_id\}/application_credentials: application_credential\.(id|project_id)$": (
        "a new id, and the token's project, as in Keystone"
    ),
    r"^identity POST /v3/OS-TRUST/trusts: trust.redelegated_trust_id$": "the caller's token says it",
}
"""Fields in which an id of alice's may stand because nobody reads them: no row holds it afterwards."""

TAKEN = {
    r"^identity POST /v3/(credentials: credential.project_id|users/\{user_id\}/credentials/OS-EC2: tenant_id)$": (
        "it gives nothing to who has no role there: test_18_cve_2020_12689_…"
    ),
    r"^identity POST /v3/auth/tokens: auth.identity.password.user.id$": "with her password, which is everybody's here",
    r"^identity POST /v3/OS-TRUST/trusts: trust.trustee_user_id$": "whom one trusts is one's own affair",
    r"^image POST /v2/images( \(.*\))?: (kernel_id|ramdisk_id)$": "looked up when a server boots from the image",
}
"""Fields in which an id of alice's is kept, and why that is harmless."""

UNREADY = {
    r"^compute POST /v2.1/servers/\{server_id\}/action \((add|remove)FloatingIp\) up to": "no router leads outside",
}
"""Requests that bob's own things are refused in, too."""
