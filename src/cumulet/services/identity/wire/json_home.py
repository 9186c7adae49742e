"""JSON home: the resources of the API by the names that Keystone gives their relations, out of the declared paths.

Most names follow from the path (``/projects/{project_id}/users/{user_id}/roles`` is ``project_user_roles``); those that
do not are in `NAMES`. What is not declared is not in the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MEDIA_TYPE = "application/json-home"
BASE = "https://docs.openstack.org/api/openstack-identity/3"
_PARAMETER = re.compile(r"\{(\w+)\}")

NAMES = {
    "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints": "endpoints_in_endpoint_group",
    "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects": "projects_associated_with_endpoint_group",
    "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}": "endpoint_group_to_project_association",
    "/OS-FEDERATION/saml2/metadata": "metadata",
    "/OS-OAUTH1/access_token": "access_tokens",
    "/OS-OAUTH1/authorize/{request_token_id}": "authorize_request_token",
    "/OS-OAUTH1/request_token": "request_tokens",
    "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso": "identity_providers_websso",
    "/auth/OS-FEDERATION/saml2": "saml2",
    "/auth/OS-FEDERATION/saml2/ecp": "ecp",
    "/auth/OS-FEDERATION/websso/{protocol_id}": "websso",
    "/auth/tokens/OS-PKI/revoked": "revocations",
    "/domains/config/default": "domain_config_default",
    "/domains/config/{group}/default": "domain_config_default_group",
    "/domains/config/{group}/{option}/default": "domain_config_default_option",
    "/domains/{domain_id}/config/{group}": "domain_config_group",
    "/domains/{domain_id}/config/{group}/{option}": "domain_config_option",
    "/limits/model": "limit_model",
    "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}": "endpoint_policy_association",
    "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}": "service_policy_association",
    "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}": (
        "region_and_service_policy_association"
    ),
    "/projects/{project_id}/tags/{value}": "project_tags",
    "/roles/{prior_role_id}/implies": "implied_roles",
    "/roles/{prior_role_id}/implies/{implied_role_id}": "implied_role",
    "/users/{user_id}/access_rules": "access_rules",
    "/users/{user_id}/access_rules/{access_rule_id}": "access_rule",
    "/users/{user_id}/application_credentials": "application_credentials",
    "/users/{user_id}/application_credentials/{application_credential_id}": "application_credential",
    "/users/{user_id}/credentials/OS-EC2/{credential_id}": "user_credential",
    "/users/{user_id}/password": "user_change_password",
}
_NAMELESS = {
    "/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects",
    "/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects",
    "/projects/{project_id}/tags",
}
"""Keystone gives these no relation."""
_ELSEWHERE = {"/OS-FEDERATION/projects": "/auth/projects", "/OS-FEDERATION/domains": "/auth/domains"}
_EXTENSIONS = {"/ec2tokens": "OS-EC2", "/s3tokens": "s3tokens"}
_EXPERIMENTAL = ("/limits", "/registered_limits")
_PARAMETERS = {
    "group": "config_group",
    "option": "config_option",
    "value": "tag_value",
    "prior_role_id": "role_id",
    "implied_role_id": "role_id",
}
_PARAMETER_EXTENSIONS = {
    "endpoint_group_id": "OS-EP-FILTER",
    "idp_id": "OS-FEDERATION",
    "mapping_id": "OS-FEDERATION",
    "protocol_id": "OS-FEDERATION",
    "provider_id": "OS-FEDERATION",
    "access_token_id": "OS-OAUTH1",
    "consumer_id": "OS-OAUTH1",
    "request_token_id": "OS-OAUTH1",
    "trust_id": "OS-TRUST",
}


def document(paths: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """The document of the declared `paths`. `prefix`: what stands before the paths in it, which begin below ``/v3``."""
    below = dict.fromkeys(path.removeprefix("/v3") for path in paths if path.startswith("/v3/"))
    return {"resources": {_relation(path): _resource(path, prefix) for path in below if path not in _NAMELESS}}


def _resource(path: str, prefix: str) -> dict[str, Any]:
    target = prefix + _ELSEWHERE.get(path, path)
    names = _PARAMETER.findall(path)
    found: dict[str, Any] = {"href-template" if names else "href": target}
    if names:
        found["href-vars"] = {name: _parameter(name) for name in names}
    if path.startswith(_EXPERIMENTAL):
        found["hints"] = {"status": "experimental"}
    return found


def _relation(path: str) -> str:
    extension = _EXTENSIONS.get(path)
    words = []
    parts = path.strip("/").split("/")
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        if part.startswith("OS-"):
            extension = part
        elif not part.startswith("{"):
            words.append(_one(part) if after.startswith("{") else part)
    return _address("rel", NAMES.get(path) or "_".join(words), extension)


def _one(noun: str) -> str:
    return f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")


def _parameter(name: str) -> str:
    return _address("param", _PARAMETERS.get(name, name), _PARAMETER_EXTENSIONS.get(name))


def _address(kind: str, name: str, extension: str | None) -> str:
    return f"{BASE}/ext/{extension}/1.0/{kind}/{name}" if extension else f"{BASE}/{kind}/{name}"


def wanted(accept: str) -> bool:
    """Whether an Accept header asks for JSON home rather than for JSON."""
    weights = {"application/json": 0.0, MEDIA_TYPE: 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((_weight(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
        for known in weights if kind in ("*/*", "application/*") else (kind,):
            if known in weights:
                weights[known] = max(weights[known], weight)
    return weights[MEDIA_TYPE] > weights["application/json"]


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
