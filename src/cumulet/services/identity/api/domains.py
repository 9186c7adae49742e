"""Domains: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import DOMAIN, KNOWN_DOMAIN, Listing
from cumulet.services.identity.model import projects as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import DomainRow
from cumulet.services.identity.wire import projects as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

_FIELDS = ("name", "description", "enabled", "options")


@identity.get(
    "/v3/domains",
    target=Listing("target.domain.id"),
    policy="identity:list_domains",
    response=listed("domains", wire.DOMAIN),
    query=wire.DOMAINS_QUERY,
)
def browse(call: Call, domain_id: str | None) -> Any:
    """List domains."""
    rows = model.browse_domains(call.tx, call.query, domain_id)
    return collection(call, "domains", model.with_tags(call.tx, rows), wire.shown_domain)


@identity.post(
    "/v3/domains",
    policy="identity:create_domain",
    request=wire.DomainCreateRequest,
    status=201,
    response=under("domain", wire.DOMAIN),
)
def create(call: Call) -> Any:
    """Create a domain."""
    fields = given(call.body.domain, *_FIELDS)
    fields["extra"] = extra(wire.DomainCreate, call.raw["domain"])
    if call.body.domain.explicit_domain_id:
        fields["id"] = call.body.domain.explicit_domain_id
    made = model.create(call.tx, {**fields, "is_domain": True}, call.body.domain.tags or ())
    return {"domain": wire.shown_domain(call, made)}


@identity.get(
    "/v3/domains/{domain_id}", target=DOMAIN, policy="identity:get_domain", response=under("domain", wire.DOMAIN)
)
def show(call: Call, domain: DomainRow) -> Any:
    """Show a domain."""
    return {"domain": wire.shown_domain(call, model.with_tags(call.tx, [domain])[0])}


@identity.patch(
    "/v3/domains/{domain_id}",
    target=KNOWN_DOMAIN,
    policy="identity:update_domain",
    request=wire.DomainUpdateRequest,
    response=under("domain", wire.DOMAIN),
)
def update(call: Call, domain: DomainRow) -> Any:
    """Update a domain."""
    fields = given(call.body.domain, *_FIELDS)
    fields["extra"] = domain.extra | extra(wire.DomainUpdate, call.raw["domain"])
    tags = given(call.body.domain, "tags").get("tags")
    return {"domain": wire.shown_domain(call, model.update(call.tx, domain, fields, tags))}


@identity.delete("/v3/domains/{domain_id}", target=KNOWN_DOMAIN, policy="identity:delete_domain")
def delete(call: Call, domain: DomainRow) -> None:
    """Delete a disabled domain with all that is in it."""
    model.delete_domain(call.tx, domain)
