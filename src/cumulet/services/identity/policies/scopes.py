"""Kinds of tokens that identity's rules take, as in Keystone: most take those for the system and for a project.

Rules that say it themselves (``scope_types=``) are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import CLOUD

_MOST = CLOUD
_DOMAIN_TOO = """
    add_user_to_group check_grant check_token check_user_in_group create_credential create_grant create_group
    create_project create_project_tag create_user delete_credential delete_group delete_project
    delete_project_tag delete_project_tags delete_user ec2tokens_validate get_credential get_domain get_group
    get_limit get_limit_model get_project get_project_tag get_region get_registered_limit get_role
    get_security_compliance_domain_config get_user list_credentials list_domains list_grants list_groups
    list_groups_for_user list_limits list_project_tags list_projects list_regions list_registered_limits
    list_role_assignments list_role_assignments_for_tree list_roles list_user_projects list_users
    list_users_in_group remove_user_from_group revoke_grant revoke_token revoke_tokens_for_user
    s3tokens_validate update_credential update_group update_project update_project_tags update_user
    validate_token
"""
_PROJECT_ONLY = """
    authorize_request_token create_application_credential create_trust delete_access_token get_access_token
    get_access_token_role list_access_token_roles list_access_tokens
"""
_ANY = """
    get_auth_catalog get_auth_domains get_auth_projects get_auth_system list_domains_for_user
    list_projects_for_user
"""
_KINDS = {
    **dict.fromkeys(_DOMAIN_TOO.split(), ("system", "domain", "project")),
    **dict.fromkeys(_PROJECT_ONLY.split(), ("project",)),
    **dict.fromkeys(_ANY.split(), ()),
}


def scoped(rules: Iterable[Rule]) -> Iterator[Rule]:
    """`rules` with the kinds of tokens that they take. Those that only others refer to take all."""
    for rule in rules:
        service, _, name = rule.name.partition(":")
        kinds: tuple[str, ...] = _KINDS.get(name, _MOST) if service == "identity" else ()
        yield rule if rule.scope_types is not None else replace(rule, scope_types=kinds)
