"""What tests of federation share: a provider that runs, and an identity provider of ours that trusts it."""

from __future__ import annotations

from typing import Any

import httpx
import yaml

from .conftest import Cloud
from .provider import AUDIENCE, Provider
from .test_nouns import fresh

FEDERATION = "/v3/OS-FEDERATION"
USER = {"user": {"name": "{0}", "email": "{1}"}}
RULES = [
    {"local": [USER], "remote": [{"type": "OIDC-preferred_username"}, {"type": "OIDC-email"}]},
    {
        "local": [{"groups": "{0}", "domain": {"id": "default"}}],
        "remote": [{"type": "OIDC-groups", "whitelist": ["devs", "ops"]}],
    },
]


class Trust:
    """An identity provider with a protocol and its mapping."""

    def __init__(self, cloud: Cloud, admin: httpx.Client, provider: Provider, rules: Any = None, **idp: Any) -> None:
        self.id, self.mapping = fresh("idp"), fresh("mapping")
        self.cloud, self.admin, self.provider = cloud, admin, provider
        version = idp.pop("schema_version", "1.0")
        self.map(rules or RULES, "put", version)
        self.domain = put(admin, "identity_provider", self.id, enabled=True, **idp)["domain_id"]
        path = f"{FEDERATION}/identity_providers/{self.id}/protocols/openid"
        assert admin.put(path, json={"protocol": {"mapping_id": self.mapping}}).status_code == 201
        self.auth = f"{path}/auth"
        declare(cloud, {self.id: {"openid": {"issuer": provider.issuer, "audience": AUDIENCE}}})

    def map(self, rules: Any, verb: str = "patch", version: str = "1.0") -> None:
        body = {"mapping": {"rules": rules, "schema_version": version}}
        answer = self.admin.request(verb.upper(), f"{FEDERATION}/mappings/{self.mapping}", json=body)
        assert answer.is_success, answer.text

    def login(self, *, algorithm: str = "RS256", **claims: Any) -> httpx.Response:
        told = {"preferred_username": "alice", "email": "alice@example.com", "groups": [], **claims}
        return self.cloud.http.post(self.auth, headers=self.provider.bearer(algorithm, **told))

    def token(self, **claims: Any) -> tuple[str, dict[str, Any]]:
        answer = self.login(**claims)
        assert answer.status_code == 201, answer.text
        return answer.headers["x-subject-token"], answer.json()["token"]


def declare(cloud: Cloud, more: dict[str, Any]) -> None:
    file = cloud.secrets.parent / "federation.yaml"
    known = yaml.safe_load(file.read_text()) if file.exists() else {}
    file.write_text(yaml.safe_dump({**known, **more}))


def put(client: httpx.Client, noun: str, identifier: str, **fields: Any) -> dict[str, Any]:
    answer = client.put(f"{FEDERATION}/{noun}s/{identifier}", json={noun: fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()[noun])


def rescoped(cloud: Cloud, token: str, scope: Any) -> httpx.Response:
    identity = {"methods": ["token"], "token": {"id": token}}
    return cloud.http.post("/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
