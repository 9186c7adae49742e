"""Requests to identity's operations, and the things that they are about.

Everything that belongs to somebody belongs to the user `subject` of the domain *inner*, a member of the project *own*.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from oauthlib import oauth1

from tests.matrix.asking import Ask, filled
from tests.matrix.world import PASSWORD, World

RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}]
_SIGNED = {
    "access": "nobody",
    "signature": "x" * 44,
    "host": "ec2.example",
    "verb": "GET",
    "path": "/",
    "params": {"AWSAccessKeyId": "nobody", "SignatureVersion": "2", "Timestamp": "2026-01-01T00:00:00Z"},
}
_LIMIT = {"service_id": "$service_id", "resource_name": "cores"}
_TRUST = {
    "trustor_user_id": "$user_id",
    "trustee_user_id": "$trustee_id",
    "project_id": "$own",
    "impersonation": False,
    "roles": [{"id": "$member"}],
}
_CREDENTIAL = {"type": "cert", "blob": "b", "user_id": "$user_id", "project_id": "$own"}
_EC2 = {"credential_id": "$ec2_id"}
_CONFIGURED = {"domain_id": "$configured", "group": "ldap", "option": "url"}
_LDAP = {"ldap": {"url": "ldap://directory.example", "user_tree_dn": "cn=users"}}
_FAR = {"project_id": "$far"}
_MEMBER = {"role_id": "$member"}
_ACTORS = {"user_id": "$trustee_id", "group_id": "$crew"}
_GRANTED = [
    Ask(where={**_ACTORS, "role_id": "$member"}),
    Ask(where={**_ACTORS, "role_id": "$admin"}, label="admin"),
]
_OF_DOMAIN = {"role_id": "$domain_role"}
_CHANGED_ROLE = {"role": {"description": "d"}}
_ONE = "/v3/domains/{domain_id}/config"


def _noun(
    path: str, key: str, name: str, body: dict[str, Any], changed: dict[str, Any] | None = None, **more: str
) -> dict[str, list[Ask]]:
    """The five operations of a noun. `name`: the parameter of its path."""
    one = f"{path}/{{{name}}}"
    return {
        f"GET {path}": [Ask(shows=f"${name}")],
        f"POST {path}": [Ask({key: body})],
        f"GET {one}": [Ask()],
        f"PATCH {one}": [Ask({key: changed or {"description": "d"}})],
        f"DELETE {one}": [Ask(where=more)],
    }


def _put(path: str, key: str, name: str, body: dict[str, Any], changed: dict[str, Any]) -> dict[str, list[Ask]]:
    """The five operations of a noun whose id its maker chooses."""
    one = f"{path}/{{{name}}}"
    return {
        f"GET {path}": [Ask(shows=f"${name}")],
        f"PUT {one}": [Ask({key: body}, where={name: "new"})],
        f"GET {one}": [Ask()],
        f"PATCH {one}": [Ask({key: changed})],
        f"DELETE {one}": [Ask()],
    }


def _grants() -> dict[str, list[Ask]]:
    found: dict[str, list[Ask]] = {}
    for actor in ("users/{user_id}", "groups/{group_id}"):
        for place in ("projects/{project_id}", "domains/{domain_id}"):
            for path, end in (
                (f"/v3/{place}/{actor}/roles", ""),
                (f"/v3/OS-INHERIT/{place}/{actor}/roles", "inherited_to_projects"),
            ):
                found[f"GET {path}{'/' + end if end else ''}"] = [Ask(where=_ACTORS)]
                for verb in ("GET", "PUT", "DELETE"):
                    found[f"{verb} {path}/{{role_id}}{'/' + end if end else ''}"] = _GRANTED
        found[f"GET /v3/system/{actor}/roles"] = [Ask(where=_ACTORS)]
        for verb in ("GET", "PUT", "DELETE"):
            found[f"{verb} /v3/system/{actor}/roles/{{role_id}}"] = [_GRANTED[0]]
    return found


def _plain(text: str, **ask: Any) -> dict[str, list[Ask]]:
    return {line.strip(): [Ask(**ask)] for line in text.strip().splitlines()}


_FEDERATION = "/v3/OS-FEDERATION"
_PROTOCOLS = _FEDERATION + "/identity_providers/{idp_id}/protocols"
_EC2S = "/v3/users/{user_id}/credentials/OS-EC2"
_APPS = "/v3/users/{user_id}/application_credentials"
_OWNED = "/v3/projects/{project_id}/tags"

REQUESTS: dict[str, list[Ask]] = {
    **_plain("""
        GET /
        GET /v3
        GET /v2.0
        GET /v2.0/tenants
        GET /v3/auth/catalog
        GET /v3/auth/projects
        GET /v3/auth/domains
        GET /v3/auth/system
        GET /v3/auth/tokens/OS-PKI/revoked
        GET /v3/OS-FEDERATION/projects
        GET /v3/OS-FEDERATION/domains
        GET /v3/OS-FEDERATION/saml2/metadata
        GET /v3/OS-REVOKE/events
        GET /v3/role_inferences
        GET /v3/limits/model
        GET /v3/domains/config/default
        GET /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth
        POST /v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth
        GET /v3/auth/OS-FEDERATION/websso/{protocol_id}
        POST /v3/auth/OS-FEDERATION/websso/{protocol_id}
        GET /v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso
        POST /v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso
        POST /v3/auth/OS-FEDERATION/saml2
        POST /v3/auth/OS-FEDERATION/saml2/ecp
        POST /v3/OS-OAUTH1/request_token
        POST /v3/OS-OAUTH1/access_token
        POST /v3/OS-OAUTH2/token
        """),
    "GET /v3/auth/tokens": [Ask(headers={"x-subject-token": "$owner_token"})],
    "DELETE /v3/auth/tokens": [Ask(headers={"x-subject-token": "$owner_token"})],
    "POST /v3/auth/tokens": [
        Ask(
            {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {"user": {"id": "$user_id", "password": PASSWORD}},
                    }
                }
            }
        )
    ],
    "POST /v2.0/tokens": [
        Ask({"auth": {"passwordCredentials": {"username": "first_domain_admin", "password": PASSWORD}}})
    ],
    "POST /v3/users/{user_id}/password": [Ask({"user": {"original_password": PASSWORD, "password": PASSWORD + "2"}})],
    **_noun("/v3/users", "user", "user_id", {"name": "new", "domain_id": "$inner", "password": "secret"}),
    "DELETE /v3/users/{user_id}/tokens": [Ask()],
    "GET /v3/users/{user_id}/groups": [Ask(shows="$group_id")],
    "GET /v3/users/{user_id}/projects": [Ask(shows="$own")],
    **_noun("/v3/groups", "group", "group_id", {"name": "new", "domain_id": "$inner"}),
    "GET /v3/groups/{group_id}/users": [Ask(shows="$user_id")],
    **_plain("""
        PUT /v3/groups/{group_id}/users/{user_id}
        GET /v3/groups/{group_id}/users/{user_id}
        DELETE /v3/groups/{group_id}/users/{user_id}
        """),
    **_noun("/v3/projects", "project", "project_id", {"name": "new", "domain_id": "$inner"}, project_id="$spare"),
    f"GET {_OWNED}": [Ask()],
    f"PUT {_OWNED}": [Ask({"tags": ["a", "b"]})],
    f"DELETE {_OWNED}": [Ask()],
    **{f"{verb} {_OWNED}/{{value}}": [Ask()] for verb in ("GET", "DELETE")},
    f"PUT {_OWNED}/{{value}}": [Ask(where={"value": "other"})],
    **_noun("/v3/domains", "domain", "domain_id", {"name": "new"}, domain_id="$closed"),
    f"PUT {_ONE}": [Ask({"config": _LDAP}, where=_CONFIGURED)],
    f"GET {_ONE}": [Ask(where=_CONFIGURED)],
    f"PATCH {_ONE}": [Ask({"config": _LDAP}, where=_CONFIGURED)],
    f"DELETE {_ONE}": [Ask(where=_CONFIGURED)],
    f"GET {_ONE}/{{group}}": [Ask(where=_CONFIGURED), Ask(label="compliance", where={"group": "security_compliance"})],
    f"PATCH {_ONE}/{{group}}": [Ask({"config": _LDAP}, where=_CONFIGURED)],
    f"DELETE {_ONE}/{{group}}": [Ask(where=_CONFIGURED)],
    f"GET {_ONE}/{{group}}/{{option}}": [Ask(where=_CONFIGURED)],
    f"PATCH {_ONE}/{{group}}/{{option}}": [Ask({"config": {"url": "ldap://other.example"}}, where=_CONFIGURED)],
    f"DELETE {_ONE}/{{group}}/{{option}}": [Ask(where=_CONFIGURED)],
    "GET /v3/domains/config/{group}/default": [Ask(where=_CONFIGURED)],
    "GET /v3/domains/config/{group}/{option}/default": [Ask(where=_CONFIGURED)],
    "GET /v3/roles": [Ask(shows="$role_id"), Ask(label="of a domain", query="domain_id=$inner", shows="$domain_role")],
    "POST /v3/roles": [
        Ask({"role": {"name": "new"}}),
        Ask({"role": {"name": "new", "domain_id": "$inner"}}, "of a domain"),
    ],
    "GET /v3/roles/{role_id}": [
        Ask(),
        Ask(label="member", where=_MEMBER),
        Ask(label="of a domain", where=_OF_DOMAIN),
    ],
    "PATCH /v3/roles/{role_id}": [Ask(_CHANGED_ROLE), Ask(_CHANGED_ROLE, "of a domain", where=_OF_DOMAIN)],
    "DELETE /v3/roles/{role_id}": [Ask(), Ask(label="of a domain", where=_OF_DOMAIN)],
    **_plain("""
        GET /v3/roles/{prior_role_id}/implies
        GET /v3/roles/{prior_role_id}/implies/{implied_role_id}
        DELETE /v3/roles/{prior_role_id}/implies/{implied_role_id}
        """),
    "PUT /v3/roles/{prior_role_id}/implies/{implied_role_id}": [Ask(where={"implied_role_id": "$reader"})],
    "GET /v3/role_assignments": [
        Ask(shows="$user_id"),
        Ask(label="of a project", query="scope.project.id=$own", shows="$user_id"),
        Ask(label="of a tree", query="scope.project.id=$own&include_subtree=true", shows="$user_id"),
    ],
    **_grants(),
    **_noun("/v3/services", "service", "service_id", {"type": "thing", "name": "new"}),
    **_noun(
        "/v3/endpoints",
        "endpoint",
        "endpoint_id",
        {"service_id": "$service_id", "interface": "public", "url": "http://a.example"},
        {"url": "http://b.example"},
    ),
    **_noun("/v3/regions", "region", "region_id", {"id": "new"}, region_id="$spare_region"),
    "PUT /v3/regions/{region_id}": [Ask({"region": {}}, where={"region_id": "new"})],
    **_noun(
        "/v3/OS-EP-FILTER/endpoint_groups",
        "endpoint_group",
        "endpoint_group_id",
        {"name": "new", "filters": {"interface": "public"}},
    ),
    **_plain("""
        GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints
        GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects
        GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}
        DELETE /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}
        GET /v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects
        GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints
        GET /v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups
        GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}
        DELETE /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}
        GET /v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints
        GET /v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy
        """),
    **{
        f"{verb} /v3/policies/{{policy_id}}/OS-ENDPOINT-POLICY/{what}": [Ask()]
        for verb in ("PUT", "GET", "DELETE")
        for what in ("endpoints/{endpoint_id}", "services/{service_id}", "services/{service_id}/regions/{region_id}")
    },
    "PUT /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}": [
        Ask(where={"project_id": "$far"})
    ],
    "PUT /v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}": [Ask(where={"project_id": "$far"})],
    **_noun("/v3/policies", "policy", "policy_id", {"type": "text", "blob": "{}"}, {"blob": "[]"}),
    "GET /v3/credentials": [Ask(shows="$credential_id")],
    "POST /v3/credentials": [Ask({"credential": _CREDENTIAL})],
    "GET /v3/credentials/{credential_id}": [Ask()],
    "PATCH /v3/credentials/{credential_id}": [Ask({"credential": {"blob": "c"}})],
    "DELETE /v3/credentials/{credential_id}": [Ask()],
    f"GET {_EC2S}": [Ask(shows="$ec2_id")],
    f"POST {_EC2S}": [Ask({"tenant_id": "$own"})],
    f"GET {_EC2S}/{{credential_id}}": [Ask(where=_EC2)],
    f"DELETE {_EC2S}/{{credential_id}}": [Ask(where=_EC2)],
    "POST /v3/ec2tokens": [Ask({"credentials": _SIGNED})],
    "POST /v3/s3tokens": [Ask({"credentials": {"access": "nobody", "signature": "eA==", "token": "eA=="}})],
    f"GET {_APPS}": [Ask(shows="$application_credential_id")],
    f"POST {_APPS}": [Ask({"application_credential": {"name": "new", "roles": [{"id": "$member"}]}})],
    f"GET {_APPS}/{{application_credential_id}}": [Ask()],
    f"DELETE {_APPS}/{{application_credential_id}}": [Ask()],
    "GET /v3/users/{user_id}/access_rules": [Ask(shows="$access_rule_id")],
    "GET /v3/users/{user_id}/access_rules/{access_rule_id}": [Ask()],
    "DELETE /v3/users/{user_id}/access_rules/{access_rule_id}": [Ask(where={"access_rule_id": "$spare_rule"})],
    "GET /v3/OS-TRUST/trusts": [
        Ask(shows="$trust_id"),
        Ask(label="of a trustor", query="trustor_user_id=$user_id", shows="$trust_id"),
        Ask(label="of a trustee", query="trustee_user_id=$trustee_id", shows="$trust_id"),
    ],
    "POST /v3/OS-TRUST/trusts": [Ask({"trust": _TRUST})],
    "GET /v3/OS-TRUST/trusts/{trust_id}": [Ask()],
    "DELETE /v3/OS-TRUST/trusts/{trust_id}": [Ask()],
    "GET /v3/OS-TRUST/trusts/{trust_id}/roles": [Ask()],
    "GET /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}": [Ask(where=_MEMBER)],
    **_noun("/v3/OS-OAUTH1/consumers", "consumer", "consumer_id", {"description": "d"}),
    "PUT /v3/OS-OAUTH1/authorize/{request_token_id}": [Ask({"roles": [{"id": "$member"}]})],
    **_plain("""
        GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}
        DELETE /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}
        GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles
        """),
    "GET /v3/users/{user_id}/OS-OAUTH1/access_tokens": [Ask(shows="$access_token_id")],
    "GET /v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}": [Ask(where=_MEMBER)],
    "GET /v3/limits": [Ask(shows="$limit_id")],
    "POST /v3/limits": [Ask({"limits": [{**_LIMIT, "project_id": "$near", "resource_limit": 5}]})],
    "GET /v3/limits/{limit_id}": [Ask(), Ask(label="of a domain", where={"limit_id": "$domain_limit"})],
    "PATCH /v3/limits/{limit_id}": [Ask({"limit": {"resource_limit": 4}})],
    "DELETE /v3/limits/{limit_id}": [Ask()],
    "GET /v3/registered_limits": [Ask(shows="$registered_limit_id")],
    "POST /v3/registered_limits": [
        Ask({"registered_limits": [{"service_id": "$service_id", "resource_name": "new", "default_limit": 1}]})
    ],
    "GET /v3/registered_limits/{registered_limit_id}": [Ask()],
    "PATCH /v3/registered_limits/{registered_limit_id}": [Ask({"registered_limit": {"default_limit": 11}})],
    "DELETE /v3/registered_limits/{registered_limit_id}": [Ask(where={"registered_limit_id": "$spare_limit"})],
    **_put(f"{_FEDERATION}/identity_providers", "identity_provider", "idp_id", {"enabled": True}, {"enabled": False}),
    **_put(f"{_FEDERATION}/mappings", "mapping", "mapping_id", {"rules": RULES}, {"rules": RULES}),
    f"DELETE {_FEDERATION}/mappings/{{mapping_id}}": [Ask(where={"mapping_id": "$spare_mapping"})],
    **_put(_PROTOCOLS, "protocol", "protocol_id", {"mapping_id": "$mapping_id"}, {"mapping_id": "$mapping_id"}),
    **_put(
        f"{_FEDERATION}/service_providers",
        "service_provider",
        "provider_id",
        {"auth_url": "http://a.example", "sp_url": "http://b.example"},
        {"enabled": False},
    ),
}


def build(world: World) -> None:
    """Make what the requests are about, as the first administrator."""
    ids, make = world.ids, world.make
    ids["role_id"] = make("/v3/roles", "role", name="custom")
    ids["domain_role"] = make("/v3/roles", "role", name="local", domain_id=ids["inner"])
    ids["prior_role_id"], ids["implied_role_id"] = ids["role_id"], ids["member"]
    ids["group_id"] = make("/v3/groups", "group", name="group", domain_id=ids["inner"])
    ids["closed"] = make("/v3/domains", "domain", name="closed", enabled=False)
    ids["configured"] = make("/v3/domains", "domain", name="configured")
    ids["project_id"], ids["domain_id"], ids["value"] = ids["own"], ids["inner"], "tag"
    ids["spare"] = make("/v3/projects", "project", name="spare", domain_id=ids["inner"])
    ids["service_id"] = make("/v3/services", "service", name="thing", type="thing")
    ids["region_id"] = make("/v3/regions", "region", id="somewhere")
    ids["spare_region"] = make("/v3/regions", "region", id="elsewhere")
    endpoint = {"service_id": ids["service_id"], "interface": "public", "url": "http://thing.example"}
    ids["endpoint_id"] = make("/v3/endpoints", "endpoint", **endpoint)
    filters = {"service_id": ids["service_id"]}
    ids["endpoint_group_id"] = make("/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group", name="g", filters=filters)
    ids["policy_id"] = make("/v3/policies", "policy", type="text", blob="{}")
    _build_grants(world)
    _build_oauth1(world)
    _build_owned(world)
    _build_limits(world)
    _build_federation(world)


def _build_grants(world: World) -> None:
    ids = world.ids
    ids["crew"] = world.make("/v3/groups", "group", name="crew", domain_id=ids["inner"])
    world.ask("PUT", f"/v3/groups/{ids['group_id']}/users/{ids['user_id']}")
    world.ask("PUT", f"/v3/projects/{ids['own']}/tags/{ids['value']}")
    world.ask("PUT", f"/v3/roles/{ids['role_id']}/implies/{ids['member']}")
    world.ask("PUT", f"/v3/domains/{ids['configured']}/config", {"config": _LDAP})
    for actor in (f"users/{ids['trustee_id']}", f"groups/{ids['crew']}"):
        world.ask("PUT", f"/v3/system/{actor}/roles/{ids['member']}")
        for role in (ids["member"], ids["admin"]):
            for place in (f"projects/{ids['own']}", f"domains/{ids['inner']}"):
                world.ask("PUT", f"/v3/{place}/{actor}/roles/{role}")
                world.ask("PUT", f"/v3/OS-INHERIT/{place}/{actor}/roles/{role}/inherited_to_projects")
    group, endpoint, project = ids["endpoint_group_id"], ids["endpoint_id"], ids["own"]
    world.ask("PUT", f"/v3/OS-EP-FILTER/endpoint_groups/{group}/projects/{project}")
    world.ask("PUT", f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}")
    policy = f"/v3/policies/{ids['policy_id']}/OS-ENDPOINT-POLICY"
    for what in (f"endpoints/{endpoint}", f"services/{ids['service_id']}"):
        world.ask("PUT", f"{policy}/{what}")
    world.ask("PUT", f"{policy}/services/{ids['service_id']}/regions/{ids['region_id']}")


def _build_owned(world: World) -> None:
    """What users have of their own, made by the user, as nobody else may."""
    ids, owner = world.ids, world.owner
    ids["credential_id"] = world.make("/v3/credentials", "credential", **filled(_CREDENTIAL, ids))
    ec2 = world.ask("POST", f"/v3/users/{ids['user_id']}/credentials/OS-EC2", {"tenant_id": ids["own"]})
    ids["ec2_id"] = ec2["credential"]["access"]
    apps, name = f"/v3/users/{ids['user_id']}/application_credentials", "application_credential"
    for number, path in enumerate(("/v2.1/servers", "/v2.1/images")):
        rule = {"service": "compute", "method": "GET", "path": path}
        made = world.ask("POST", apps, {name: {"name": f"app{number}", "access_rules": [rule]}}, owner)[name]
        rule_id = made["access_rules"][0]["id"]
        if number == 0:
            ids["application_credential_id"], ids["access_rule_id"] = made["id"], rule_id
        else:  # a rule can be deleted when no credential has it any more
            ids["spare_rule"] = rule_id
            world.ask("DELETE", f"{apps}/{made['id']}", None, owner)
    trust = world.ask("POST", "/v3/OS-TRUST/trusts", {"trust": filled(_TRUST, ids)}, owner)
    ids["trust_id"] = trust["trust"]["id"]


def _build_limits(world: World) -> None:
    ids = world.ids
    for name, resource in (("registered_limit_id", "cores"), ("spare_limit", "ram")):
        limit = {"service_id": ids["service_id"], "resource_name": resource, "default_limit": 10}
        body = {"registered_limits": [limit]}
        ids[name] = world.ask("POST", "/v3/registered_limits", body)["registered_limits"][0]["id"]
    for name, owner in (("limit_id", "project_id"), ("domain_limit", "domain_id")):
        limit = {**filled(_LIMIT, ids), owner: ids[owner], "resource_limit": 5}
        ids[name] = world.ask("POST", "/v3/limits", {"limits": [limit]})["limits"][0]["id"]


def _build_federation(world: World) -> None:
    ids = world.ids
    ids.update(idp_id="idp", mapping_id="mapping", spare_mapping="spare", protocol_id="openid", provider_id="provider")
    world.ask("PUT", f"{_FEDERATION}/identity_providers/idp", {"identity_provider": {"enabled": True}})
    for name in ("mapping", "spare"):
        world.ask("PUT", f"{_FEDERATION}/mappings/{name}", {"mapping": {"rules": RULES}})
    world.ask("PUT", f"{_FEDERATION}/identity_providers/idp/protocols/openid", {"protocol": {"mapping_id": "mapping"}})
    provider = {"auth_url": "http://a.example", "sp_url": "http://b.example"}
    world.ask("PUT", f"{_FEDERATION}/service_providers/provider", {"service_provider": provider})


def _build_oauth1(world: World) -> None:
    """A consumer, a request that waits for its authorization, and an access token of the owner's.

    Authorizing takes an administrator; the owner is one while the token is made, and no longer.
    """
    ids = world.ids
    consumer = world.ask("POST", "/v3/OS-OAUTH1/consumers", {"consumer": {}})["consumer"]
    ids["consumer_id"] = consumer["id"]

    def signed(path: str, headers: dict[str, str], **keys: Any) -> dict[str, str]:
        signer = oauth1.Client(consumer["id"], client_secret=consumer["secret"], **keys)
        sent = dict(signer.sign(world.url + path, "POST", headers=headers)[1])
        return {name: values[0] for name, values in parse_qs(world.ask("POST", path, None, "", sent)).items()}

    def asked() -> dict[str, str]:
        wanted = {"Requested-Project-Id": ids["own"]}
        return signed("/v3/OS-OAUTH1/request_token", wanted, callback_uri="oob")

    ids["request_token_id"] = asked()["oauth_token"]
    token, grant = asked(), f"/v3/projects/{ids['own']}/users/{ids['user_id']}/roles/{ids['admin']}"
    world.ask("PUT", grant)
    authorized = world.ask(
        "PUT",
        f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}",
        {"roles": [{"id": ids["member"]}]},
        world.log_in("subject", "own"),
    )
    keys = {"resource_owner_key": token["oauth_token"], "resource_owner_secret": token["oauth_token_secret"]}
    verifier = authorized["token"]["oauth_verifier"]
    access = signed("/v3/OS-OAUTH1/access_token", {}, verifier=verifier, **keys)
    ids["access_token_id"] = access["oauth_token"]
    world.ask("DELETE", grant)
