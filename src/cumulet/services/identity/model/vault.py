"""Secrets that have to be read again: sealed at rest with Fernet keys of their own, not those of tokens.

Each sealed row has the hash of the key that sealed it, so that a rotation never drops a key that a row still needs.
Secrets that are only compared (passwords, application credentials') are hashed instead, in `model/passwords.py`.
Never logs a secret or a key.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy import bindparam, select, update

from cumulet.db import Database, Transaction
from cumulet.services.identity.model import keys
from cumulet.services.identity.model.keys import FernetKeys
from cumulet.services.identity.tables import (
    credentials,
    domain_secrets,
    oauth1_access_tokens,
    oauth1_consumers,
    oauth1_request_tokens,
)

SEALED = (credentials, domain_secrets, oauth1_consumers, oauth1_request_tokens, oauth1_access_tokens)
FOLDER = "credential-keys"


class Vault:
    """Seals and opens with the keys of `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys = FernetKeys(folder)

    def sealed(self, secret: str) -> dict[str, str]:
        """The columns ``sealed`` and ``key_hash`` for `secret`."""
        key_hash = self._primary()
        return {"sealed": self.seal(secret), "key_hash": key_hash}

    def seal(self, secret: str) -> str:
        """A secret for a row that is gone within days, and so is not sealed again when keys are rotated."""
        return self._keys.box().encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret. Raises ValueError when the key that sealed it is gone."""
        try:
            return self._keys.box().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ValueError("a sealed secret cannot be opened: its key is no longer there") from None

    def opened(self, row: Any) -> str:
        """The secret of a sealed row. Raises ValueError when the key that sealed it is gone."""
        return self.open(str(row.sealed))

    def migrate(self, tx: Transaction) -> int:
        """Seal again, with the newest key, what older ones sealed; how many rows. Two statements for each table."""
        count, primary = 0, self._primary()
        for table in SEALED:
            stale = tx.rows(select(table.c.id, table.c.sealed).where(table.c.key_hash != primary))
            if stale:
                change = update(table).where(table.c.id == bindparam("row"))
                change = change.values(sealed=bindparam("anew"), key_hash=primary)
                tx.execute(change, [{"row": row.id, "anew": self.sealed(self.opened(row))["sealed"]} for row in stale])
            count += len(stale)
        return count

    def rotate(self, db: Database) -> int:
        """Put the next key to work and seal everything with it; how many rows. What older keys sealed is sealed again
        first, so that the key that goes has nothing left to open."""
        with db.transaction() as tx:
            self.migrate(tx)
            keys.rotate(self.folder)
            return self.migrate(tx)

    def _primary(self) -> str:
        """The hash of the key that seals."""
        numbers = [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]
        key = (self.folder / str(max(numbers))).read_bytes().strip()
        return hashlib.sha256(key).hexdigest()
