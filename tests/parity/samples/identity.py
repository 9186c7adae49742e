"""Of Keystone."""

from __future__ import annotations

_ADMIN, _EXT = "v3/samples/admin", "v3-ext/samples"
_FEDERATION = "v3-ext/federation"


def _noun(path: str, one: str, plural: str, *, key: str = "", verb: str = "POST") -> dict[str, str]:
    """The five operations of a noun whose samples have the usual names."""
    named = f"{path}/{{{key or one.replace('-', '_') + '_id'}}}"
    made = path if verb == "POST" else named
    return {
        f"GET {path} response": f"{_ADMIN}/{plural}-list-response",
        f"{verb} {made} request": f"{_ADMIN}/{one}-create-request",
        f"{verb} {made} response": f"{_ADMIN}/{one}-create-response",
        f"GET {named} response": f"{_ADMIN}/{one}-show-response",
        f"PATCH {named} request": f"{_ADMIN}/{one}-update-request",
        f"PATCH {named} response": f"{_ADMIN}/{one}-update-response",
    }


def _federated(path: str, folder: str, key: str) -> dict[str, str]:
    created = "create" if folder == "mapping" else "register"
    named = f"{path}/{{{key}}}"
    base = f"{_FEDERATION}/{folder}/samples"
    return {
        f"GET {path} response": f"{base}/list-response",
        f"PUT {named} request": f"{base}/{created}-request",
        f"PUT {named} response": f"{base}/{created}-response",
        f"GET {named} response": f"{base}/get-response",
        f"PATCH {named} request": f"{base}/update-request",
        f"PATCH {named} response": f"{base}/update-response",
    }


_PASSWORD_ANSWERS = " ".join(
    f"v3/samples/auth/responses/{name}"
    for name in (
        "domain-scoped-password",
        "project-scoped-password",
        "system-scoped-password",
        "unscoped-password",
        "project-scoped-token",
    )
)
_REQUESTS = " ".join(
    f"v3/samples/auth/requests/{name}"
    for name in (
        *("domain-id-password", "domain-name-token", "project-id-totp", "project-name-password", "system-password"),
        *("project-id-token", "system-token"),
    )
)
_CREDENTIALS = "/v3/users/{user_id}/application_credentials"
_RULES = "/v3/users/{user_id}/access_rules"
_GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
_CONSUMERS = "/v3/OS-OAUTH1/consumers"
_TOKENS = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
_TRUSTS = "/v3/OS-TRUST/trusts"
_IDP = "/v3/OS-FEDERATION/identity_providers"
_PROTOCOLS = f"{_IDP}/{{idp_id}}/protocols"
_IDP_SAMPLES = f"{_FEDERATION}/identity-provider/samples"

IDENTITY = {
    "GET / response": f"{_ADMIN}/identity-versions-response",
    "GET /v3 response": f"{_ADMIN}/identity-version-response",
    "POST /v3/auth/tokens request": _REQUESTS,
    "POST /v3/auth/tokens response": _PASSWORD_ANSWERS,
    "GET /v3/auth/tokens response": f"{_ADMIN}/auth-token-scoped-response",
    "GET /v3/auth/catalog response": f"{_ADMIN}/get-service-catalog-response",
    "GET /v3/auth/projects response": f"{_ADMIN}/get-available-project-scopes-response",
    "GET /v3/auth/domains response": f"{_ADMIN}/get-available-domain-scopes-response",
    "GET /v3/auth/system response": f"{_ADMIN}/get-available-system-scopes-response",
    **_noun("/v3/domains", "domain", "domains"),
    **_noun("/v3/projects", "project", "projects"),
    **_noun("/v3/users", "user", "users"),
    **_noun("/v3/groups", "group", "groups"),
    **_noun("/v3/roles", "role", "roles"),
    **_noun("/v3/regions", "region", "regions"),
    **_noun("/v3/services", "service", "services"),
    **_noun("/v3/endpoints", "endpoint", "endpoints"),
    **_noun("/v3/credentials", "credential", "credentials"),
    **_noun("/v3/policies", "policy", "policies"),
    "GET /v3/limits response": f"{_ADMIN}/limits-list-response",
    "POST /v3/limits request": f"{_ADMIN}/limits-create-request",
    "POST /v3/limits response": f"{_ADMIN}/limits-create-response",
    "GET /v3/limits/{limit_id} response": f"{_ADMIN}/limit-show-response",
    "PATCH /v3/limits/{limit_id} request": f"{_ADMIN}/limits-update-request",
    "PATCH /v3/limits/{limit_id} response": f"{_ADMIN}/limits-update-response",
    "GET /v3/limits/model response": f"{_ADMIN}/limit-flat-model-response",
    "GET /v3/registered_limits response": f"{_ADMIN}/registered-limits-list-response",
    "POST /v3/registered_limits request": f"{_ADMIN}/registered-limits-create-request",
    "POST /v3/registered_limits response": f"{_ADMIN}/registered-limits-create-response",
    "GET /v3/registered_limits/{registered_limit_id} response": f"{_ADMIN}/registered-limit-show-response",
    "PATCH /v3/registered_limits/{registered_limit_id} request": f"{_ADMIN}/registered-limits-update-request",
    "PATCH /v3/registered_limits/{registered_limit_id} response": f"{_ADMIN}/registered-limits-update-response",
    f"GET {_CREDENTIALS} response": f"{_ADMIN}/application-credential-list-response",
    f"POST {_CREDENTIALS} request": f"{_ADMIN}/application-credential-create-request",
    f"POST {_CREDENTIALS} response": f"{_ADMIN}/application-credential-create-response",
    f"GET {_CREDENTIALS}/{{application_credential_id}} response": f"{_ADMIN}/application-credential-get-response",
    f"GET {_RULES} response": f"{_ADMIN}/access-rules-list-response",
    f"GET {_RULES}/{{access_rule_id}} response": f"{_ADMIN}/access-rule-get-response",
    "GET /v3/domains/{domain_id}/config response": f"{_ADMIN}/domain-config-show-response",
    "PUT /v3/domains/{domain_id}/config request": f"{_ADMIN}/domain-config-create-request",
    "PUT /v3/domains/{domain_id}/config response": f"{_ADMIN}/domain-config-create-response",
    "GET /v3/groups/{group_id}/users response": f"{_ADMIN}/group-users-list-response",
    "GET /v3/users/{user_id}/groups response": f"{_ADMIN}/user-groups-list-response",
    "GET /v3/users/{user_id}/projects response": f"{_ADMIN}/user-projects-list-response",
    "POST /v3/users/{user_id}/password request": f"{_ADMIN}/user-password-update-request",
    "GET /v3/projects/{project_id}/tags response": f"{_ADMIN}/project-tags-list-response",
    "PUT /v3/projects/{project_id}/tags request": f"{_ADMIN}/project-tags-update-request",
    "PUT /v3/projects/{project_id}/tags response": f"{_ADMIN}/project-tags-update-response",
    "GET /v3/projects/{project_id}/users/{user_id}/roles response": f"{_ADMIN}/project-user-roles-list-response",
    "GET /v3/system/users/{user_id}/roles response": f"{_ADMIN}/list-system-roles-for-user-response",
    "GET /v3/role_assignments response": " ".join(
        f"{_ADMIN}/role-assignments-{name}-response"
        for name in ("list", "effective-list", "effective-list-include-names", "list-include-subtree")
    ),
    "GET /v3/role_inferences response": f"{_ADMIN}/role-inferences-response",
    "GET /v3/roles/{prior_role_id}/implies response": f"{_ADMIN}/list-implied-roles-for-role-response",
    "GET /v3/roles/{prior_role_id}/implies/{implied_role_id} response": f"{_ADMIN}/get-role-inferences-response",
    "PUT /v3/roles/{prior_role_id}/implies/{implied_role_id} response": f"{_ADMIN}/create-role-inferences-response",
    f"GET {_GROUPS} response": f"{_EXT}/OS-EP-FILTER/endpoint-groups-response",
    f"POST {_GROUPS} request": f"{_EXT}/OS-EP-FILTER/create-endpoint-group-request",
    f"GET {_GROUPS}/{{endpoint_group_id}} response": f"{_EXT}/OS-EP-FILTER/endpoint-group-response",
    f"PATCH {_GROUPS}/{{endpoint_group_id}} request": f"{_EXT}/OS-EP-FILTER/update-endpoint-group-request",
    f"PATCH {_GROUPS}/{{endpoint_group_id}} response": f"{_EXT}/OS-EP-FILTER/update-endpoint-group-response",
    f"GET {_CONSUMERS} response": f"{_EXT}/OS-OAUTH1/consumers-list-response",
    f"POST {_CONSUMERS} request": f"{_EXT}/OS-OAUTH1/consumer-create-request",
    f"POST {_CONSUMERS} response": f"{_EXT}/OS-OAUTH1/consumer-create-response",
    f"GET {_CONSUMERS}/{{consumer_id}} response": f"{_EXT}/OS-OAUTH1/consumer-show-response",
    f"PATCH {_CONSUMERS}/{{consumer_id}} request": f"{_EXT}/OS-OAUTH1/consumer-update-request",
    f"PATCH {_CONSUMERS}/{{consumer_id}} response": f"{_EXT}/OS-OAUTH1/consumer-update-response",
    f"GET {_TOKENS} response": f"{_EXT}/OS-OAUTH1/access-tokens-list-response",
    f"GET {_TOKENS}/{{access_token_id}} response": f"{_EXT}/OS-OAUTH1/access-token-show-response",
    f"GET {_TOKENS}/{{access_token_id}}/roles response": f"{_EXT}/OS-OAUTH1/access-token-roles-list-response",
    f"GET {_TOKENS}/{{access_token_id}}/roles/{{role_id}} response": (
        f"{_EXT}/OS-OAUTH1/access-token-role-show-response"
    ),
    "PUT /v3/OS-OAUTH1/authorize/{request_token_id} request": f"{_EXT}/OS-OAUTH1/authorize-request-token-request",
    "PUT /v3/OS-OAUTH1/authorize/{request_token_id} response": f"{_EXT}/OS-OAUTH1/authorize-request-token-response",
    "POST /v3/OS-OAUTH2/token response": f"{_EXT}/OS-OAUTH2/token-create-response",
    "GET /v3/OS-REVOKE/events response": f"{_EXT}/OS-REVOKE/list-revoke-response",
    f"GET {_TRUSTS} response": f"{_EXT}/OS-TRUST/trust-list-response",
    f"POST {_TRUSTS} request": f"{_EXT}/OS-TRUST/trust-create-request",
    f"POST {_TRUSTS} response": f"{_EXT}/OS-TRUST/trust-create-response",
    f"GET {_TRUSTS}/{{trust_id}} response": f"{_EXT}/OS-TRUST/trust-get-response",
    f"GET {_TRUSTS}/{{trust_id}}/roles response": f"{_EXT}/OS-TRUST/trust-list-roles-delegated-response",
    f"GET {_TRUSTS}/{{trust_id}}/roles/{{role_id}} response": f"{_EXT}/OS-TRUST/trust-get-role-delegated-response",
    **_federated(_IDP, "identity-provider", "idp_id"),
    **_federated("/v3/OS-FEDERATION/mappings", "mapping", "mapping_id"),
    **_federated("/v3/OS-FEDERATION/service_providers", "service-provider", "provider_id"),
    f"GET {_PROTOCOLS} response": f"{_IDP_SAMPLES}/list-protocol-response",
    f"PUT {_PROTOCOLS}/{{protocol_id}} request": f"{_IDP_SAMPLES}/add-protocol-request",
    f"PUT {_PROTOCOLS}/{{protocol_id}} response": f"{_IDP_SAMPLES}/add-protocol-response",
    f"GET {_PROTOCOLS}/{{protocol_id}} response": f"{_IDP_SAMPLES}/get-protocol-response",
}
