"""What a process hands to identity: where the secrets lie, the memory of tokens, and other sources of users."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from cumulet.auth import Caller, Unauthenticated
from cumulet.db import Database, Transaction
from cumulet.db.wakeups import Wakeups
from cumulet.services.identity.model import domain_configs
from cumulet.services.identity.model.backends.directories import Directories
from cumulet.services.identity.model.brakes import Brake
from cumulet.services.identity.model.command_line import PREFIX, CommandLine
from cumulet.services.identity.model.keys import FernetKeys
from cumulet.services.identity.model.limits import FLAT
from cumulet.services.identity.model.oidc import Issuers
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.model.tokens import ALLOW_EXPIRED_WINDOW_S, LIFE_S, REFUSED, Tokens
from cumulet.services.identity.model.turns import Turns
from cumulet.services.identity.model.vault import FOLDER, Vault

SERVICE_ROLE = "service"


class Backend(Protocol):
    """Where the users of a domain come from, when they are not rows of ours (a directory)."""

    def authenticate(self, db: Database, domain_id: str, name: str, password: str) -> str | None:
        """The id of the user, who has a row in `users` then; None for every reason why not. May take long."""
        ...


BackendOf = Callable[[Transaction, str], Backend | None]


class IdentityContext:
    """One per process. `secrets` is the folder of keys and passwords (0700), `region` the cloud's first region,
    `token_seconds` a token's life, `limit_model` how limits of a domain and its projects have to agree. `wakeups` are
    those of the store, given only in a process that alone writes the database (`model/tokens.py`). `backend_of` tells
    the source of a domain's users, where that is a directory. Beside `secrets` lie ``federation.yaml`` and the folder
    ``domains``."""

    def __init__(
        self,
        secrets: Path,
        region: str = "RegionOne",
        limit_model: str = FLAT,
        *,
        token_seconds: int = LIFE_S,
        wakeups: Wakeups | None = None,
        password_rules: PasswordRules | None = None,
    ) -> None:
        self.secrets = secrets
        self.region = region
        self.limit_model = limit_model
        self.directories = Directories(secrets.parent / "domains")
        self.backend_of: BackendOf = self.directories.of
        self.issuers = Issuers(secrets.parent / "federation.yaml")
        self.tokens = Tokens(FernetKeys(secrets / "fernet-keys"), token_seconds, wakeups)
        self.receipt_keys = FernetKeys(secrets / "receipt-keys")
        self.password_rules = password_rules or PasswordRules()
        self.vault = Vault(secrets / FOLDER)
        self.directories.from_rows = partial(domain_configs.of_directory, self.vault)
        self.turns = Turns()
        self.totp_brake = Brake()
        self.command_line = CommandLine()

    def authenticate(self, tx: Transaction, token: str, service_token: str = "") -> Caller:
        """The caller behind `token`. Raises `auth.Unauthenticated`.

        With the token of a service that hands on a user's request, the user's own may have expired lately (long work
        outlives it) and its access rules were the first service's to check.
        """
        if not service_token:
            if token.startswith(PREFIX):
                return self.command_line.find(tx, token)
            return self.tokens.find(tx, token).caller
        if SERVICE_ROLE not in self.tokens.find(tx, service_token).caller.roles:
            raise Unauthenticated(REFUSED)
        return self.tokens.find(tx, token, window_s=ALLOW_EXPIRED_WINDOW_S).caller
