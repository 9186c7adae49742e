"""The configuration of a domain that the API keeps: whether its users are a directory's, and how to ask that.

Passwords are sealed by the vault and shown to nobody; `of_directory` alone reads them, for `backends/directories.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, select
from sqlalchemy.exc import IntegrityError

from cumulet.auth.caller import DEFAULT_DOMAIN
from cumulet.db import Transaction, select_as
from cumulet.http.faults import NotAllowed, NotFound
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.domain_options import DEFAULTS, SECRET
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.model.vault import Vault
from cumulet.services.identity.tables import DomainOptionRow, DomainSecretRow, domain_options, domain_secrets

COMPLIANCE = "security_compliance"
_READABLE = ("password_regex", "password_regex_description")
_TABLES: tuple[Table, ...] = (domain_options, domain_secrets)
Config = dict[str, dict[str, Any]]


def invalid(reason: str) -> NotAllowed:
    """Keystone's 403 for a configuration that makes no sense."""
    return NotAllowed(f"Invalid domain specific configuration: {reason}.")


def replace(tx: Transaction, vault: Vault, domain_id: str, config: Mapping[str, Any]) -> bool:
    """`config` is all there is for the domain; whether there was something before. Raises 403."""
    _check(domain_id, config)
    before = forget(tx, domain_id)
    _put(tx, vault, domain_id, config)
    return before


def shown(tx: Transaction, domain_id: str, group: str | None = None, option: str | None = None) -> dict[str, Any]:
    """What may be seen of the domain's configuration; of one option, that alone. Raises 403, 404. One query."""
    check_names(group, option)
    found = visible(tx, domain_id, group, option)
    if not found:
        raise _missing(domain_id, group, option)
    return found[group] if group and option else found


def visible(tx: Transaction, domain_id: str, group: str | None = None, option: str | None = None) -> Config:
    """As `shown`, and empty where there is nothing. One query."""
    wanted = select_as(DomainOptionRow).where(_within(domain_options, domain_id, group, option))
    found: Config = {}
    for row in tx.rows(wanted.order_by(domain_options.c.section, domain_options.c.name)):
        found.setdefault(row.section, {})[row.name] = row.value
    return found


def merge(
    tx: Transaction, vault: Vault, domain_id: str, asked: Mapping[str, Any], group: str | None, option: str | None
) -> Config:
    """Change options; with `group` (and `option`) only those, which have to be there. Raises 403, 404."""
    config = {group: asked} if group and option else dict(asked)
    _check(domain_id, config)
    check_names(group, option)
    if group:
        _check_only(config, group, option)
        _check_there(tx, domain_id, group, option)
    for name, options in config.items():
        for table in _TABLES:
            tx.delete(table, and_(_within(table, domain_id, name), table.c.name.in_(list(options))))
    _put(tx, vault, domain_id, config)
    return visible(tx, domain_id)


def delete(tx: Transaction, domain_id: str, group: str | None = None, option: str | None = None) -> None:
    """Take the configuration away, or a group or an option of it, which has to be there then. Raises 403, 404."""
    check_names(group, option)
    if group:
        _check_there(tx, domain_id, group, option)
    for table in _TABLES:
        tx.delete(table, _within(table, domain_id, group, option))


def forget(tx: Transaction, domain_id: str) -> bool:
    """Take all of it away; whether there was something."""
    return sum(tx.delete(table, table.c.domain_id == domain_id) for table in _TABLES) > 0


def defaults(group: str | None = None, option: str | None = None) -> dict[str, Any]:
    """What options are where a domain does not say. Raises 403."""
    check_names(group, option)
    if not group:
        return dict(DEFAULTS)
    if not option:
        return {group: DEFAULTS[group]}
    if option not in DEFAULTS[group]:
        raise invalid(f"Reading the default for option {option} in group {group} is not supported")
    return {option: DEFAULTS[group][option]}


def compliance(rules: PasswordRules, domain_id: str, option: str | None) -> dict[str, Any]:
    """What everybody may know about passwords: how they have to look. Raises 403."""
    if domain_id != DEFAULT_DOMAIN:
        raise invalid(
            "Reading security compliance information for any domain other than the default domain is not allowed or "
            "supported."
        )
    found = {name: getattr(rules, name) or None for name in _READABLE}
    if option is None:
        return {COMPLIANCE: found}
    if option not in found:
        raise invalid(
            "Reading security compliance values other than password_regex and password_regex_description is not "
            "allowed."
        )
    return {option: found[option]}


def of_directory(vault: Vault, tx: Transaction, domain_id: str) -> Config:
    """Group → option → value, with secrets, of a domain whose users are a directory's; nothing of any other. One query,
    two for such a domain, none for the first one, which is none (`_check`) and has most logins."""
    if domain_id == DEFAULT_DOMAIN:
        return {}
    found = visible(tx, domain_id)
    if found.get("identity", {}).get("driver") != "ldap":
        return {}
    options = found.setdefault("ldap", {})
    sealed = tx.rows(select_as(DomainSecretRow).where(_within(domain_secrets, domain_id, "ldap")))
    secrets = {row.name: vault.opened(row) for row in sealed}
    for name, value in options.items():
        for secret, text in secrets.items():
            if isinstance(value, str):  # as in Keystone, a text may refer to a secret
                options[name] = value = value.replace(f"%({secret})s", text)
    options.update(secrets)
    return found


def check_names(group: str | None, option: str | None) -> None:
    """Raise 403 for a group or an option that a domain cannot have."""
    if group and group not in DEFAULTS:
        raise invalid(f"Group {group} is not supported for domain specific configurations")
    if group and option and option not in DEFAULTS[group] and option not in SECRET.get(group, ()):
        raise invalid(f"Option {option} in group {group} is not supported for domain specific configurations")


def _check(domain_id: str, config: Mapping[str, Any]) -> None:
    if not config:
        raise invalid("No options specified")
    for group, options in config.items():
        if not options or not isinstance(options, dict):
            raise invalid(f"The value of group {group} specified in the config should be a dictionary of options")
        for option, value in options.items():
            check_names(group, option)
            if option in SECRET.get(group, ()) and not isinstance(value, str):
                raise invalid(f"The value of option {option} in group {group} should be a text")
    if domain_id == DEFAULT_DOMAIN and config.get("identity", {}).get("driver") == "ldap":
        raise invalid("The cloud's own users are in this domain, which cannot be a directory's")


def _check_only(config: Mapping[str, Any], group: str, option: str | None) -> None:
    """Raise 403 when a request for one group or option is about something else."""
    if option and len(config.get(group, ())) != 1:
        raise invalid(
            f"Trying to update option {option} in group {group}, so that, and only that, option must be specified  in "
            "the config"
        )
    if len(config) != 1:
        raise invalid(f"Trying to update group {group}, so that, and only that, group must be specified in the config")
    if group not in config:
        raise invalid(
            f"request to update group {group}, but config provided contains group {next(iter(config))} instead"
        )
    if option and option not in config[group]:
        raise invalid(
            f"Trying to update option {option} in group {group}, but config provided contains option "
            f"{next(iter(config[group]))} instead"
        )


def _check_there(tx: Transaction, domain_id: str, group: str, option: str | None) -> None:
    for table in _TABLES:
        if tx.row(select(table).where(_within(table, domain_id, group, option))) is not None:
            return
    raise _missing(domain_id, group, option)


def _put(tx: Transaction, vault: Vault, domain_id: str, config: Mapping[str, Any]) -> None:
    open_rows, secret_rows = [], []
    for group, options in config.items():
        for option, value in options.items():
            row = {"domain_id": domain_id, "section": group, "name": option}
            if option in SECRET.get(group, ()):
                secret_rows.append({**row, "id": uuid.uuid4().hex, **vault.sealed(value)})
            else:
                open_rows.append({**row, "value": value})
    _insert(tx, domain_options, open_rows)
    _insert(tx, domain_secrets, secret_rows)


def _insert(tx: Transaction, table: Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    try:
        tx.insert(table, rows)
    except IntegrityError:  # somebody else did the same
        raise lookups.conflict("domain_config", "Duplicate entry") from None


def _within(table: Table, domain_id: str, group: str | None = None, option: str | None = None) -> ColumnElement[bool]:
    where = table.c.domain_id == domain_id
    if group:
        where = and_(where, table.c.section == group)
    return and_(where, table.c.name == option) if option else where


def _missing(domain_id: str, group: str | None, option: str | None) -> NotFound:
    what = f"option {option} in group {group}" if option else f"group {group}" if group else "any options"
    return NotFound(f"Could not find {what} in domain configuration for domain {domain_id}.")
