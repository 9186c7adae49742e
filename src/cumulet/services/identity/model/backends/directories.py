"""Which domains have a directory, and asking it: users and groups are fetched, then their rows follow.

A directory is declared like Keystone's per domain: the section ``ldap`` of the domain's configuration, in
``domains/<domain id>.yaml`` of the state folder (read again when it changes), or through the API's domain configuration
when `from_rows` is set. Asks over the network: never call this inside a transaction.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cumulet.db import Database, Transaction
from cumulet.http.faults import NotAllowed, Unavailable
from cumulet.services.identity.model.backends import Directory, Entry, Unreachable, mirror
from cumulet.services.identity.model.backends.ldap_settings import parsed
from cumulet.services.identity.model.backends.mirror import Kind

log = logging.getLogger("cumulet.identity.directories")

Options = Mapping[str, Mapping[str, Any]]
FromRows = Callable[[Transaction, str], Options]
"""(transaction, domain id) → group → option → value, with sensitive values: the API's domain configuration."""


def _no_rows(_tx: Transaction, _domain_id: str) -> Options:
    return {}


def read_only() -> NotAllowed:
    """Keystone's 403 for a change of what a directory keeps."""
    return NotAllowed("LDAP does not support write operations")


class Source:
    """The directory of one domain."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def authenticate(self, db: Database, domain_id: str, name: str, password: str) -> str | None:
        """The id of the user, who has a row in `users` then; None for every reason why not. May take long."""
        if not password:
            return None
        try:
            found = self._directory.users(name=name)
            user = found[0] if len(found) == 1 else None
            if not self._directory.proves(user, password) or user is None or not user.enabled:
                return None
            groups = self._directory.groups_of(user)
        except Unreachable:
            log.warning("the directory of domain %s did not answer a login", domain_id)
            return None
        self._follow_user(db, domain_id, user, groups)
        return mirror.public_id(domain_id, "user", user.local_id)

    def refresh_all(self, db: Database, domain_id: str, kind: Kind) -> None:
        """All users or groups. Raises 503."""
        entries = _asked(self._directory.users if kind == "user" else self._directory.groups)
        mirror.follow(db, domain_id, kind, entries, None)

    def refresh(self, db: Database, domain_id: str, kind: Kind, local_id: str) -> None:
        """One user with its groups, or one group with its users. Raises 503."""
        find = self._directory.users if kind == "user" else self._directory.groups
        found = _asked(lambda: find(local_id=local_id))
        if len(found) != 1:
            mirror.follow(db, domain_id, kind, [], [mirror.public_id(domain_id, kind, local_id)])
        elif kind == "user":
            self._follow_user(db, domain_id, found[0], _asked(lambda: self._directory.groups_of(found[0])))
        else:
            users = _asked(lambda: self._directory.users_in(found[0]))
            mirror.follow(db, domain_id, "group", found, [])
            mirror.follow(db, domain_id, "user", users, [])
            ids = [mirror.public_id(domain_id, "user", user.local_id) for user in users]
            group_id = mirror.public_id(domain_id, "group", local_id)
            mirror.follow_memberships(db, group_id=group_id, others=ids)

    def _follow_user(self, db: Database, domain_id: str, user: Entry, groups: Any) -> None:
        mirror.follow(db, domain_id, "user", [user], [])
        mirror.follow(db, domain_id, "group", groups, [])
        ids = [mirror.public_id(domain_id, "group", group.local_id) for group in groups]
        user_id = mirror.public_id(domain_id, "user", user.local_id)
        mirror.follow_memberships(db, user_id=user_id, others=ids)


class Directories:
    """The directories of all domains. `folder`: of the declarations."""

    def __init__(self, folder: Path, from_rows: FromRows = _no_rows) -> None:
        self._folder = folder
        self.from_rows = from_rows
        self._lock = threading.Lock()
        self._files: dict[str, tuple[tuple[int, int], Options]] = {}
        self._made: dict[str, tuple[str, Source]] = {}

    def of(self, tx: Transaction, domain_id: str) -> Source | None:
        """The directory of a domain, None when its users are rows of ours. Opens no connection."""
        options = self._file(domain_id) or self.from_rows(tx, domain_id)
        if options.get("identity", {}).get("driver", "ldap" if "ldap" in options else "sql") != "ldap":
            return None
        shape = repr(options.get("ldap"))
        with self._lock:
            made = self._made.get(domain_id)
            if made is None or made[0] != shape:
                made = self._made[domain_id] = (shape, Source(_directory(domain_id, options.get("ldap", {}))))
            return made[1]

    def _file(self, domain_id: str) -> Options:
        if not domain_id.replace("-", "").isalnum():
            return {}
        path = self._folder / f"{domain_id}.yaml"
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            log.error("%s cannot be read: %s", path, error.strerror)
            return _CLOSED
        stamp = (found.st_mtime_ns, found.st_size)
        kept = self._files.get(domain_id)
        if kept is None or kept[0] != stamp:
            kept = self._files[domain_id] = (stamp, _tree(path))
        return kept[1]


_CLOSED: Options = {"identity": {"driver": "ldap"}, "ldap": {"url": ""}}
"""A directory that lets nobody in: better than to take rows of ours for it."""


def _tree(path: Path) -> Options:
    import yaml  # here: a cloud without such a file starts without it

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(tree, dict) or not all(isinstance(each, dict) for each in tree.values()):
            raise ValueError("expected group → option → value")
        return tree
    except (OSError, ValueError, yaml.YAMLError) as error:
        log.error("%s cannot be read: %s", path, type(error).__name__)
        return _CLOSED


def _directory(domain_id: str, options: Mapping[str, Any]) -> Directory:
    try:
        from cumulet.services.identity.model.backends.ldap import LdapDirectory  # needs ldap3, which few clouds do
    except ModuleNotFoundError:
        log.error("the directory of domain %s needs ldap3: pip install 'cumulet[ldap]'", domain_id)
        return _Broken()
    try:
        return LdapDirectory(parsed(options))
    except (ValueError, TypeError) as error:
        log.error("the directory of domain %s is configured wrongly: %s", domain_id, error)
        return _Broken()


class _Broken:
    """A directory whose configuration makes no sense: it knows nobody and lets nobody in."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise Unreachable("the directory is configured wrongly")

    users = groups = groups_of = users_in = proves = _refuse


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Unreachable:
        raise Unavailable("The directory of this domain does not answer now.") from None
