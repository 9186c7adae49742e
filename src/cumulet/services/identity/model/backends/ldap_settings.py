"""Options of an LDAP directory, under the names that Keystone has for them in the section ``ldap``.

What does not fit is refused as a whole: a directory that is read half right lets in who should stay out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_TIMEOUT_S = 10


@dataclass(frozen=True)
class LdapSettings:
    """Defaults are Keystone's. `connection_timeout` in seconds bounds connecting and each answer."""

    url: str = "ldap://localhost"
    user: str = ""
    password: str = ""
    suffix: str = "cn=example,cn=com"
    query_scope: str = "one"
    page_size: int = 0
    connection_timeout: int = _TIMEOUT_S
    use_tls: bool = False
    tls_cacertfile: str = ""
    tls_req_cert: str = "demand"
    user_tree_dn: str = ""
    user_filter: str = ""
    user_objectclass: str = "inetOrgPerson"
    user_id_attribute: str = "cn"
    user_name_attribute: str = "sn"
    user_description_attribute: str = "description"
    user_mail_attribute: str = "mail"
    user_enabled_attribute: str = "enabled"
    user_enabled_invert: bool = False
    user_enabled_mask: int = 0
    user_enabled_default: str = "True"
    user_enabled_emulation: bool = False
    user_enabled_emulation_dn: str = ""
    user_attribute_ignore: tuple[str, ...] = ("default_project_id",)
    group_tree_dn: str = ""
    group_filter: str = ""
    group_objectclass: str = "groupOfNames"
    group_id_attribute: str = "cn"
    group_name_attribute: str = "ou"
    group_member_attribute: str = "member"
    group_members_are_ids: bool = False
    group_desc_attribute: str = "description"
    group_attribute_ignore: tuple[str, ...] = ()

    @property
    def users_dn(self) -> str:
        """Where users are."""
        return self.user_tree_dn or f"ou=Users,{self.suffix}"

    @property
    def groups_dn(self) -> str:
        """Where groups are."""
        return self.group_tree_dn or f"ou=UserGroups,{self.suffix}"

    @property
    def emulation_dn(self) -> str:
        """The group of those who are enabled, when that is told by a group."""
        return self.user_enabled_emulation_dn or f"cn=enabled_users,{self.users_dn}"

    def enabled(self, value: str | None) -> bool:
        """Whether the text of the enabled attribute (None: there is none) means enabled.

        What is neither a yes nor a no is a no: text is true to Python whatever it says (OSSA-2026-007).
        """
        text = (self.user_enabled_default if value is None else value).strip().lower()
        if self.user_enabled_mask:
            return text.lstrip("-").isdecimal() and int(text) & self.user_enabled_mask != self.user_enabled_mask
        if text not in _TRUE | _FALSE:
            return False
        return (text in _TRUE) != self.user_enabled_invert


def parsed(options: Mapping[str, Any]) -> LdapSettings:
    """The settings that `options` give; options of Keystone's that have no meaning here are passed over. Raises
    ValueError for a value that makes no sense."""
    known = {each.name: each for each in fields(LdapSettings)}
    found = {}
    for name, value in options.items():
        if name in known and value is not None:
            found[name] = _converted(name, value, known[name].default)
    settings = LdapSettings(**found)
    if urlsplit(settings.url).scheme not in ("ldap", "ldaps") or not urlsplit(settings.url).hostname:
        raise ValueError("url must be ldap://… or ldaps://…")
    if settings.query_scope not in ("one", "sub"):
        raise ValueError("query_scope must be one or sub")
    if settings.tls_req_cert not in ("demand", "allow", "never"):
        raise ValueError("tls_req_cert must be demand, allow or never")
    if settings.connection_timeout <= 0:
        object.__setattr__(settings, "connection_timeout", _TIMEOUT_S)
    return settings


def _converted(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        text = str(value).strip().lower()
        if text not in _TRUE | _FALSE:
            raise ValueError(f"{name} must be true or false")
        return text in _TRUE
    if isinstance(default, int):
        return int(value)
    if isinstance(default, tuple):
        listed = value if isinstance(value, list | tuple) else str(value).split(",")
        return tuple(str(each).strip() for each in listed if str(each).strip())
    return str(value)
