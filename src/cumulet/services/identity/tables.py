"""All tables of identity. Times are microseconds since the epoch. Only this service reads or writes them.

A domain is a row of `projects` with `is_domain`; its own `domain_id` is `ROOT`. `epoch` rises when every token of a
user, or for a project, has to die: tokens carry the epoch they were issued at. `origin` of users and groups says who
keeps them: this database (``local``), an identity provider (``federated``) or a directory (``ldap``); only the names of
local ones are unique.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from cumulet.db import metadata
from cumulet.db.partial import only

ROOT = "<<keystone.domain.root>>"

LOCAL, FEDERATED, LDAP = "local", "federated", "ldap"
_IS_LOCAL = text("origin = 'local'")


def folded(name: str) -> str:
    """What a name is found by: without its case, as Unicode folds it; accents count."""
    return name.casefold()


def _found_by_name(noun: str, *, local: bool = False) -> list[Any]:
    """What stands beside a name that is compared without its case: see `model/names.py`."""
    where = only(_IS_LOCAL) if local else {}
    unique, also = f"uq_identity_{noun}_domain_name_key", f"ix_identity_{noun}_name_key"
    key = lambda context: folded(context.get_current_parameters()["name"])  # noqa: E731
    return [
        Column("name_key", String, nullable=False, default=key, server_default=""),
        Column("namesake", String(64), nullable=False, default="", server_default=""),
        Index(unique, "domain_id", "name_key", "namesake", unique=True, **where),
        *([Index(also, "name_key")] if local else []),
    ]


generation = Table(
    "identity_generation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

projects = Table(
    "identity_projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("parent_id", String(64), index=True),
    Column("is_domain", Boolean, nullable=False, default=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("description", Text, nullable=False, default=""),
    Column("epoch", Integer, nullable=False, default=0),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    UniqueConstraint("domain_id", "name", name="uq_identity_projects_domain_name"),
    *_found_by_name("projects"),
)

project_tags = Table(
    "identity_project_tags",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
)

users = Table(
    "identity_users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("default_project_id", String(64)),
    Column("password_hash", String(255)),
    Column("password_created_at", BigInteger),
    Column("password_expires_at", BigInteger),
    Column("failed_logins", Integer, nullable=False, default=0),
    Column("failed_at", BigInteger),
    Column("last_active_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    Column("origin", String(9), nullable=False, default=LOCAL, server_default=LOCAL),
    *_found_by_name("users", local=True),
)

groups = Table(
    "identity_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", String(64), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("extra", JSON, nullable=False, default=dict),
    Column("origin", String(9), nullable=False, default=LOCAL, server_default=LOCAL),
    *_found_by_name("groups", local=True),
)

memberships = Table(
    "identity_memberships",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("group_id", String(64), primary_key=True, index=True),
)

roles = Table(
    "identity_roles",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("domain_id", String(64), nullable=False, default=""),  # empty: a role of no domain, so that it is unique
    Column("description", Text),
    Column("options", JSON, nullable=False, default=dict),
    Column("extra", JSON, nullable=False, default=dict),
    UniqueConstraint("domain_id", "name", name="uq_identity_roles_domain_name"),
    *_found_by_name("roles"),
)

implied_roles = Table(
    "identity_implied_roles",
    metadata,
    Column("prior_id", String(64), primary_key=True),
    Column("implied_id", String(64), primary_key=True, index=True),
)

assignments = Table(
    "identity_assignments",
    metadata,
    Column("actor_id", String(64), primary_key=True),
    Column("target_type", String(8), primary_key=True),  # project, domain, system
    Column("target_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True),
    Column("inherited", Boolean, primary_key=True),
    Column("actor_type", String(8), nullable=False),  # user, group
    Index("ix_identity_assignments_target", "target_id"),
    Index("ix_identity_assignments_role", "role_id"),
)

regions = Table(
    "identity_regions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("description", Text, nullable=False, default=""),
    Column("parent_region_id", String(255), index=True),
    Column("extra", JSON, nullable=False, default=dict),
)

services = Table(
    "identity_services",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("name", String(255)),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("extra", JSON, nullable=False, default=dict),
)

endpoints = Table(
    "identity_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("service_id", String(64), nullable=False, index=True),
    Column("region_id", String(255), index=True),
    Column("interface", String(8), nullable=False),
    Column("url", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("extra", JSON, nullable=False, default=dict),
    Column("follows", Boolean),  # the URL is Cumulet's and follows its options; NULL: of before anybody asked
)

project_endpoints = Table(  # which endpoints a project sees, when it is not to see all
    "identity_project_endpoints",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("endpoint_id", String(64), primary_key=True, index=True),
)

endpoint_groups = Table(
    "identity_endpoint_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("filters", JSON, nullable=False),
)

project_endpoint_groups = Table(
    "identity_project_endpoint_groups",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("endpoint_group_id", String(64), primary_key=True, index=True),
)

policies = Table(  # rules of other services, kept for them as text
    "identity_policies",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("blob", Text, nullable=False),
    Column("extra", JSON, nullable=False, default=dict),
)

policy_associations = Table(  # one policy for each target; what a target does not name is empty
    "identity_policy_associations",
    metadata,
    Column("endpoint_id", String(64), primary_key=True),
    Column("service_id", String(64), primary_key=True),
    Column("region_id", String(255), primary_key=True),
    Column("policy_id", String(64), nullable=False, index=True),
)

registered_limits = Table(
    "identity_registered_limits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("service_id", String(64), nullable=False),
    Column("region_id", String(255), nullable=False, default=""),  # empty: of no region, so that it is unique
    Column("resource_name", String(255), nullable=False),
    Column("default_limit", Integer, nullable=False),
    Column("description", Text),
    UniqueConstraint("service_id", "region_id", "resource_name", name="uq_identity_registered_limits"),
)

limits = Table(
    "identity_limits",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("registered_limit_id", String(64), nullable=False),
    Column("project_id", String(64), index=True),  # one of both; a domain is a project, but says so
    Column("domain_id", String(64), index=True),
    Column("resource_limit", Integer, nullable=False),
    Column("description", Text),
    UniqueConstraint("registered_limit_id", "project_id", name="uq_identity_limits_project"),
    UniqueConstraint("registered_limit_id", "domain_id", name="uq_identity_limits_domain"),
)

revocations = Table(
    "identity_revocations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("audit_id", String(32), index=True),
    Column("audit_chain_id", String(32), index=True),
    Column("user_id", String(64)),
    Column("project_id", String(64)),
    Column("domain_id", String(64)),
    Column("revoked_at", BigInteger, nullable=False),
    Column("forget_at", BigInteger, nullable=False, index=True),
)

old_passwords = Table(
    "identity_old_passwords",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("created_at", BigInteger, primary_key=True),
    Column("hash", String(255), nullable=False),
)

totp_uses = Table(
    "identity_totp_uses",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("forget_at", BigInteger, nullable=False, index=True),
)
"""Steps of time whose code a user has used."""

identity_providers = Table(
    "identity_providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False, index=True),
    Column("enabled", Boolean, nullable=False, default=False),
    Column("description", Text),
    Column("authorization_ttl", BigInteger),  # minutes; none and 0: memberships live as long as the token
)

identity_provider_remote_ids = Table(
    "identity_provider_remote_ids",
    metadata,
    Column("remote_id", String(255), primary_key=True),
    Column("idp_id", String(64), nullable=False, index=True),
)

federation_protocols = Table(
    "identity_federation_protocols",
    metadata,
    Column("idp_id", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("mapping_id", String(64), nullable=False),
    Column("remote_id_attribute", String(64)),
)

mappings = Table(
    "identity_mappings",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("rules", JSON, nullable=False),
    Column("schema_version", String(5), nullable=False),
)

service_providers = Table(
    "identity_service_providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("enabled", Boolean, nullable=False, default=False),
    Column("description", Text),
    Column("auth_url", String(256), nullable=False),
    Column("sp_url", String(256), nullable=False),
    Column("relay_state_prefix", String(256)),
)

federated_users = Table(  # who a user is at an identity provider
    "identity_federated_users",
    metadata,
    Column("idp_id", String(64), primary_key=True),
    Column("protocol_id", String(64), primary_key=True),
    Column("unique_id", String(255), primary_key=True),
    Column("user_id", String(64), nullable=False, index=True),
)

expiring_memberships = Table(  # what an identity provider said about a user's groups, for as long as it counts
    "identity_expiring_memberships",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("group_id", String(64), primary_key=True, index=True),
    Column("idp_id", String(64), primary_key=True, index=True),
    Column("verified_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

id_mappings = Table(  # which entry of a directory a user or group of ours stands for
    "identity_id_mappings",
    metadata,
    Column("public_id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False),
    Column("local_id", String(255), nullable=False),
    Column("entity_type", String(5), nullable=False),  # user, group
    UniqueConstraint("domain_id", "local_id", "entity_type", name="uq_identity_id_mappings_entry"),
)

domain_options = Table(  # how a domain is configured, as far as everybody who may look may see it
    "identity_domain_options",
    metadata,
    Column("domain_id", String(64), primary_key=True),
    Column("section", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

domain_secrets = Table(  # and what nobody sees
    "identity_domain_secrets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain_id", String(64), nullable=False),
    Column("section", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    UniqueConstraint("domain_id", "section", "name", name="uq_identity_domain_secrets"),
)

credentials = Table(
    "identity_credentials",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), index=True),
    Column("type", String(255), nullable=False),
    Column("sealed", Text, nullable=False),  # the blob, by the credential keys
    Column("key_hash", String(64), nullable=False),  # of the key that sealed it
    Column("extra", JSON, nullable=False, default=dict),
)

application_credentials = Table(
    "identity_application_credentials",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("secret_hash", String(255), nullable=False),
    Column("description", Text),
    Column("project_id", String(64), nullable=False, index=True),
    Column("expires_at", BigInteger),
    Column("unrestricted", Boolean, nullable=False, default=False),
    UniqueConstraint("user_id", "name", name="uq_identity_application_credentials_user_name"),
)

application_credential_roles = Table(
    "identity_application_credential_roles",
    metadata,
    Column("application_credential_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True, index=True),
)

access_rules = Table(
    "identity_access_rules",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("service", String(64), nullable=False),
    Column("path", String(255), nullable=False),
    Column("method", String(16), nullable=False),
    UniqueConstraint("user_id", "service", "path", "method", name="uq_identity_access_rules_user_request"),
)

application_credential_access_rules = Table(
    "identity_application_credential_access_rules",
    metadata,
    Column("application_credential_id", String(64), primary_key=True),
    Column("access_rule_id", String(64), primary_key=True, index=True),
    Column("position", Integer, nullable=False, default=0),  # in the list that was given
)

trusts = Table(
    "identity_trusts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("trustor_user_id", String(64), nullable=False, index=True),
    Column("trustee_user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), index=True),
    Column("impersonation", Boolean, nullable=False),
    Column("expires_at", BigInteger),
    Column("remaining_uses", Integer),
    Column("redelegated_trust_id", String(64), index=True),
    Column("redelegation_count", Integer, nullable=False, default=0),
    Column("extra", JSON, nullable=False, default=dict),
)

trust_roles = Table(
    "identity_trust_roles",
    metadata,
    Column("trust_id", String(64), primary_key=True),
    Column("role_id", String(64), primary_key=True, index=True),
)

oauth1_consumers = Table(
    "identity_oauth1_consumers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("description", String(255)),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("extra", JSON, nullable=False, default=dict),
)

oauth1_request_tokens = Table(
    "identity_oauth1_request_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("consumer_id", String(64), nullable=False, index=True),
    Column("requested_project_id", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("verifier", String(64)),
    Column("authorizing_user_id", String(64)),
    Column("role_ids", JSON, nullable=False, default=list),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

oauth1_access_tokens = Table(
    "identity_oauth1_access_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("consumer_id", String(64), nullable=False, index=True),
    Column("authorizing_user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), nullable=False, index=True),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("role_ids", JSON, nullable=False, default=list),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

oauth1_nonces = Table(
    "identity_oauth1_nonces",
    metadata,
    Column("id", String(64), primary_key=True),  # a hash of the consumer, the token, the time and the nonce
    Column("forget_at", BigInteger, nullable=False, index=True),
)
