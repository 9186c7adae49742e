"""The configuration of a domain: set, show, change, delete it, as a whole, a group or an option; and its defaults."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Reply
from cumulet.services.identity.model import domain_configs as model
from cumulet.services.identity.model import lookups
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import DomainRow
from cumulet.services.identity.wire import domain_configs as wire

_ALL = "/v3/domains/{domain_id}/config"
_GROUP = _ALL + "/{group}"
_OPTION = _GROUP + "/{option}"
_GET, _UPDATE, _DELETE = (f"identity:{verb}_domain_config" for verb in ("get", "update", "delete"))
_DEFAULT = "identity:get_domain_config_default"


@identity.put(
    _ALL,
    policy="identity:create_domain_config",
    request=wire.ConfigRequest,
    status=201,
    also=(200,),
    response=wire.CONFIG,
)
def create(call: Call, domain_id: str) -> Any:
    """Set a domain's configuration, in place of any other."""
    lookups.get(call.tx, DomainRow, domain_id)
    before = model.replace(call.tx, call.context.vault, domain_id, call.body.config)
    return Reply({"config": model.visible(call.tx, domain_id)}, 200 if before else 201)


@identity.get(_ALL, policy=_GET, response=wire.CONFIG)
def show(call: Call, domain_id: str) -> Any:
    """Show a domain's configuration, without its secrets."""
    lookups.get(call.tx, DomainRow, domain_id)
    return {"config": model.shown(call.tx, domain_id)}


@identity.get(_GROUP, policy_in_handler=_GET, response=wire.CONFIG)
def show_group(call: Call, domain_id: str, group: str) -> Any:
    """Show a group of a domain's configuration."""
    return _shown(call, domain_id, group, None)


@identity.get(_OPTION, policy_in_handler=_GET, response=wire.CONFIG)
def show_option(call: Call, domain_id: str, group: str, option: str) -> Any:
    """Show an option of a domain's configuration."""
    return _shown(call, domain_id, group, option)


def _shown(call: Call, domain_id: str, group: str, option: str | None) -> Any:
    """How passwords have to look may be known to everybody; the rest only to who may read configurations."""
    open_to_all = group == model.COMPLIANCE
    call.require("identity:get_security_compliance_domain_config" if open_to_all else _GET, {})
    lookups.get(call.tx, DomainRow, domain_id)
    if open_to_all:
        return {"config": model.compliance(call.context.password_rules, domain_id, option)}
    return {"config": model.shown(call.tx, domain_id, group, option)}


@identity.patch(_ALL, policy=_UPDATE, request=wire.ConfigRequest, response=wire.CONFIG)
def update(call: Call, domain_id: str) -> Any:
    """Change options of a domain's configuration."""
    return _merged(call, domain_id, None, None)


@identity.patch(_GROUP, policy=_UPDATE, request=wire.ConfigRequest, response=wire.CONFIG)
def update_group(call: Call, domain_id: str, group: str) -> Any:
    """Change options of a group of a domain's configuration."""
    return _merged(call, domain_id, group, None)


@identity.patch(_OPTION, policy=_UPDATE, request=wire.ConfigRequest, response=wire.CONFIG)
def update_option(call: Call, domain_id: str, group: str, option: str) -> Any:
    """Change an option of a domain's configuration."""
    return _merged(call, domain_id, group, option)


def _merged(call: Call, domain_id: str, group: str | None, option: str | None) -> Any:
    lookups.get(call.tx, DomainRow, domain_id)
    return {"config": model.merge(call.tx, call.context.vault, domain_id, call.body.config, group, option)}


@identity.delete(_ALL, policy=_DELETE)
def delete(call: Call, domain_id: str) -> None:
    """Delete a domain's configuration."""
    lookups.get(call.tx, DomainRow, domain_id)
    model.delete(call.tx, domain_id)


@identity.delete(_GROUP, policy=_DELETE)
def delete_group(call: Call, domain_id: str, group: str) -> None:
    """Delete a group of a domain's configuration."""
    lookups.get(call.tx, DomainRow, domain_id)
    model.delete(call.tx, domain_id, group)


@identity.delete(_OPTION, policy=_DELETE)
def delete_option(call: Call, domain_id: str, group: str, option: str) -> None:
    """Delete an option of a domain's configuration."""
    lookups.get(call.tx, DomainRow, domain_id)
    model.delete(call.tx, domain_id, group, option)


@identity.get("/v3/domains/config/default", policy=_DEFAULT, response=wire.CONFIG)
def show_default(call: Call) -> Any:
    """Show what options are where a domain does not say."""
    return {"config": model.defaults()}


@identity.get("/v3/domains/config/{group}/default", policy=_DEFAULT, response=wire.CONFIG)
def show_default_group(call: Call, group: str) -> Any:
    """Show what options of a group are where a domain does not say."""
    return {"config": model.defaults(group)}


@identity.get("/v3/domains/config/{group}/{option}/default", policy=_DEFAULT, response=wire.CONFIG)
def show_default_option(call: Call, group: str, option: str) -> Any:
    """Show what an option is where a domain does not say."""
    return {"config": model.defaults(group, option)}
