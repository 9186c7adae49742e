"""An LDAP directory, read with ldap3. Never writes to it.

Whatever a request names goes into a filter escaped; a password is tried by a bind, and an empty one never is, as
servers take that for an anonymous bind and say yes. Every wait has an end.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

from cumulet.services.identity.model.backends import Entry, Unreachable
from cumulet.services.identity.model.backends.ldap_settings import LdapSettings

log = logging.getLogger("cumulet.identity.ldap")

_CHECKS = {"demand": ssl.CERT_REQUIRED, "allow": ssl.CERT_OPTIONAL, "never": ssl.CERT_NONE}
_MISSING = 32  # noSuchObject
_NOBODY = "cn=nobody-of-this-name"

Found = dict[str, list[str]]


class LdapDirectory:
    """One directory. Makes a connection per call; holds none."""

    def __init__(self, settings: LdapSettings) -> None:
        self._settings = settings
        tls = None
        if settings.use_tls or settings.url.startswith("ldaps"):
            tls = ldap3.Tls(validate=_CHECKS[settings.tls_req_cert], ca_certs_file=settings.tls_cacertfile or None)
        self._server = ldap3.Server(
            settings.url, get_info=ldap3.NONE, tls=tls, connect_timeout=settings.connection_timeout
        )

    def users(self, *, name: str | None = None, local_id: str | None = None) -> Sequence[Entry]:
        """All users, or those of that name or id."""
        s = self._settings
        equal = [(s.user_name_attribute, name), (s.user_id_attribute, local_id)]  # often the same attribute
        with self._connection() as connection:
            found = self._search(connection, s.users_dn, _filter(s.user_objectclass, s.user_filter, equal))
            enabled = self._emulated(connection) if s.user_enabled_emulation else None
        users = [self._user(dn, attributes, enabled) for dn, attributes in found]
        return [user for user in users if user is not None]

    def groups(self, *, local_id: str | None = None) -> Sequence[Entry]:
        """All groups, or the one of that id."""
        return self._groups(self._settings.group_id_attribute, local_id)

    def groups_of(self, user: Entry) -> Sequence[Entry]:
        """The groups that the user is in."""
        member = user.local_id if self._settings.group_members_are_ids else user.where
        return self._groups(self._settings.group_member_attribute, member)

    def users_in(self, group: Entry) -> Sequence[Entry]:
        """The users who are in the group: two searches, however many there are."""
        if self._settings.group_members_are_ids:
            ids = set(group.members)
            return [user for user in self.users() if user.local_id in ids]
        wanted = {_normal(dn) for dn in group.members}
        return [user for user in self.users() if _normal(user.where) in wanted]

    def proves(self, user: Entry | None, password: str) -> bool:
        """Whether the directory takes `password` for the user's. Nobody's is tried too, for the time it takes."""
        if not password or "\0" in password:
            return False
        dn = user.where if user else f"{_NOBODY},{self._settings.users_dn}"
        try:
            with self._connection(dn, password):
                return user is not None
        except _Refused:
            return False

    @contextmanager
    def _connection(self, dn: str | None = None, password: str | None = None) -> Iterator[Any]:
        s = self._settings
        who, secret = (s.user, s.password) if dn is None else (dn, password)
        connection = ldap3.Connection(
            self._server,
            user=who or None,
            password=secret or None,
            authentication=ldap3.SIMPLE if who else ldap3.ANONYMOUS,
            receive_timeout=s.connection_timeout,
            read_only=True,
            auto_referrals=False,
            raise_exceptions=False,
        )
        try:
            connection.open()
            if s.use_tls and not s.url.startswith("ldaps"):
                connection.start_tls()
            if not connection.bind():
                if dn is None:
                    log.error("%s does not let us in: %s", s.url, connection.result.get("description"))
                    raise Unreachable("the directory refuses our own name and password")
                raise _Refused
            yield connection
        except (LDAPException, OSError) as error:
            log.warning("%s: %s", s.url, type(error).__name__)
            raise Unreachable(str(error)) from None
        finally:
            _close(connection)

    def _search(self, connection: Any, base: str, query: str, scope: Any = None) -> list[tuple[str, Found]]:
        s = self._settings
        options: dict[str, Any] = {
            "search_base": base,
            "search_filter": query,
            "search_scope": scope or (ldap3.SUBTREE if s.query_scope == "sub" else ldap3.LEVEL),
            "attributes": [ldap3.ALL_ATTRIBUTES],
        }
        if s.page_size > 0 and scope is None:
            answers = list(connection.extend.standard.paged_search(paged_size=s.page_size, generator=True, **options))
        else:
            connection.search(**options)
            answers = connection.response or []
        result = connection.result or {}
        if result.get("result") not in (0, _MISSING):
            raise Unreachable(f"search failed: {result.get('description')}")
        return [(each["dn"], _texts(each["raw_attributes"])) for each in answers if each["type"] == "searchResEntry"]

    def _emulated(self, connection: Any) -> set[str]:
        """Addresses of those who are enabled, when a group says so."""
        found = self._search(connection, self._settings.emulation_dn, "(objectClass=*)", ldap3.BASE)
        member = self._settings.group_member_attribute.lower()
        return {_normal(dn) for _, attributes in found for dn in attributes.get(member, ())}

    def _groups(self, attribute: str, value: str | None) -> list[Entry]:
        s = self._settings
        with self._connection() as connection:
            found = self._search(
                connection, s.groups_dn, _filter(s.group_objectclass, s.group_filter, [(attribute, value)])
            )
        groups = []
        for dn, attributes in found:
            local_id, name = _first(attributes, s.group_id_attribute), _first(attributes, s.group_name_attribute)
            if local_id and name:
                extra = {"description": _first(attributes, s.group_desc_attribute) or ""}
                members = tuple(attributes.get(s.group_member_attribute.lower(), ()))
                groups.append(Entry(local_id, name, dn, extra=extra, members=members))
        return groups

    def _user(self, dn: str, attributes: Found, emulated: set[str] | None) -> Entry | None:
        s = self._settings
        local_id, name = _first(attributes, s.user_id_attribute), _first(attributes, s.user_name_attribute)
        if not local_id or not name:
            return None
        if emulated is not None:
            enabled = _normal(dn) in emulated
        elif "enabled" in s.user_attribute_ignore:
            enabled = True
        else:
            enabled = s.enabled(_first(attributes, s.user_enabled_attribute))
        told = {"email": s.user_mail_attribute, "description": s.user_description_attribute}
        extra = {key: value for key, attribute in told.items() if (value := _first(attributes, attribute))}
        return Entry(local_id, name, dn, enabled, {k: v for k, v in extra.items() if k not in s.user_attribute_ignore})


class _Refused(Exception):
    """The directory does not take this name and password."""


def _close(connection: Any) -> None:
    try:
        connection.unbind()
    except (LDAPException, OSError):
        log.debug("a connection was gone before its end")


def _filter(objectclass: str, more: str, equal: Sequence[tuple[str, str | None]]) -> str:
    """Entries of that class that fit the deployer's own filter and have these values."""
    parts = [f"({name}={escape_filter_chars(value)})" for name, value in equal if value is not None]
    return f"(&(objectClass={objectclass}){more}{''.join(parts)})"


def _texts(raw: Any) -> Found:
    """Attributes in lower case, with the values that are text."""
    found: Found = {}
    for name, values in raw.items():
        for value in values if isinstance(values, list) else [values]:
            try:
                found.setdefault(name.lower(), []).append(bytes(value).decode())
            except UnicodeDecodeError:
                continue
    return found


def _first(attributes: Found, name: str) -> str | None:
    values = attributes.get(name.lower())
    return values[0] if values else None


def _normal(dn: str) -> str:
    """One spelling of an address: attribute names and values differ in case and in blanks around commas."""
    try:
        return ",".join(f"{name}={value}".casefold() for name, value, _ in parse_dn(dn, strip=True))
    except LDAPException:
        return dn.casefold()
