"""What a process hands to identity: where the secrets lie, and the memory of tokens it may keep."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cumulet.auth import Caller
from cumulet.services.identity.model.keys import FernetKeys
from cumulet.services.identity.model.limits import FLAT
from cumulet.services.identity.model.tokens import Tokens
from cumulet.store import Transaction

_LOGINS_AT_ONCE = 4  # more only queue for the hash, and would take memory


class IdentityContext:
    """One per process. `secrets` is the folder of keys and passwords (0700), `region` the cloud's first region,
    `limit_model` how limits of a domain and its projects have to agree."""

    def __init__(self, secrets: Path, region: str = "RegionOne", limit_model: str = FLAT) -> None:
        self.secrets = secrets
        self.region = region
        self.limit_model = limit_model
        self.tokens = Tokens(FernetKeys(secrets / "fernet-keys"))
        self.logins = ThreadPoolExecutor(_LOGINS_AT_ONCE, thread_name_prefix="login")

    def authenticate(self, tx: Transaction, token: str) -> Caller:
        """The caller behind `token`. Raises `auth.Unauthenticated`. One query when the token is known."""
        return self.tokens.find(tx, token).caller
