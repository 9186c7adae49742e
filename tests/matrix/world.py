"""The world of the matrix: domains, projects, a user with a token for every persona, made through the API alone.

It knows nothing of how it is asked: `Sender` may lead to this package or to any other Keystone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.matrix.personas import PERSONAS, Persona, scope

PASSWORD = "correct horse battery staple"
ROLES = ("reader", "member", "manager", "admin", "service")


@dataclass
class Reply:
    """An answer. `body` is what the JSON says, or text."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any


Sender = Callable[..., Reply]
"""(service, method, path, body, headers) → answer."""


@dataclass
class World:
    """`ids`: everything by the name that requests use. `tokens`: by persona's name."""

    send: Sender
    url: str
    first: str
    ids: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        service: str = "identity",
    ) -> Any:
        """A request that must succeed, as the first administrator unless `token` says otherwise; "" is nobody."""
        sent = {**({"X-Auth-Token": token} if token else {}), **(headers or {})}
        if token is None:
            sent["X-Auth-Token"] = self.first
        answer = self.send(service, method, path, body, sent)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.text}"
        return answer.body

    def make(self, path: str, key: str, **fields: Any) -> str:
        """Create something; its id."""
        return str(self.ask("POST", path, {key: fields})[key]["id"])

    @property
    def owner(self) -> str:
        return self.tokens["owner"]

    def log_in(self, user: str, place: str) -> str:
        """A token of `user`, whose name is known in `ids`, for `place`."""
        named = {"id": self.ids[user], "password": PASSWORD}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": named}}}
        auth["scope"] = scope(place, self.ids)
        answer = self.send("identity", "POST", "/v3/auth/tokens", {"auth": auth}, {})
        assert answer.status == 201, answer.text
        return str(answer.headers["x-subject-token"])

    # ---- what there is

    def build(self) -> None:
        """Domains, projects, roles by name, and a user and a token for each persona."""
        ids = self.ids
        roles = {role["name"]: role["id"] for role in self.ask("GET", "/v3/roles")["roles"]}
        ids.update({name: roles[name] for name in ROLES})
        ids["default"] = "default"
        for name in ("inner", "outer"):
            ids[name] = self.make("/v3/domains", "domain", name=name)
        for name, domain in (("own", "inner"), ("near", "inner"), ("far", "outer"), ("home", "default")):
            ids[name] = self.make("/v3/projects", "project", name=name, domain_id=ids[domain])
        ids["user_id"] = ids["subject"] = self._user("subject", "inner")
        ids["trustee_id"] = self._user("trustee", "inner")
        self._grant("subject", "own", "member")
        for persona in PERSONAS:
            if persona.place:
                self.tokens[persona.name] = self._token(persona)
        ids["owner_token"] = self.owner

    def _user(self, name: str, domain: str) -> str:
        return self.make("/v3/users", "user", name=name, password=PASSWORD, domain_id=self.ids[domain])

    def _grant(self, user: str, place: str, role: str) -> None:
        kind = "projects" if place in ("own", "near", "far", "home") else "domains"
        kind = "system" if place == "system" else kind
        where = kind if kind == "system" else f"{kind}/{self.ids[place]}"
        self.ask("PUT", f"/v3/{where}/users/{self.ids[user]}/roles/{self.ids[role]}")

    def _token(self, persona: Persona) -> str:
        if persona.group == "owner":
            return self.log_in("subject", persona.place)
        name = persona.name.replace(" ", "_")
        domain = "outer" if persona.place in ("far", "outer") else "inner"
        if persona.place in ("system", "default", "home", "nothing"):
            domain = "default"
        key = f"user {name}"
        self.ids[key] = self._user(name, domain)
        if persona.role:
            self._grant(key, persona.place, persona.role)
        return self.log_in(key, persona.place)
