"""The ways to prove who one is: one module per method, named as in ``auth.identity.methods``, each with

    def prove(attempt: Attempt, block: <its shape in wire/tokens.py>) -> Proof

`block` is the method's object of the request. A method opens short transactions of `attempt.store` itself; hashing and
whatever else takes long happens outside of them. It raises `auth.Unauthenticated` with `tokens.REFUSED` for every proof
that fails, whatever the reason (an unknown user must cost and read as a wrong secret does), 400 for a block that makes
no sense, 403 for a proof that is right and must not be used so. It issues nothing: `model/login.py` puts the proofs of
a request together, settles the scope, and describes the token, which asks `token_sources/` for what `facts` name.

New methods: write the module, its shape in `wire/tokens.py`, its line in `methods/registry.py`, its bit in
`payloads.METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from cumulet.db import Database, Transaction
from cumulet.services.identity.model.payloads import PLAIN, Facts, Payload
from cumulet.services.identity.model.token_sources import Scoped

if TYPE_CHECKING:
    from cumulet.services.identity.context import IdentityContext


class Attempt(Struct, frozen=True):
    """One request for a token. `http_method`, `url` (with its query) and `headers` (lower case) are those of the
    request, for methods that sign it; `assertion` is what an identity provider says, put there by federation's
    own operations and never by a client. `proven`: ids of the users whom the methods before this one have proven."""

    db: Database
    context: IdentityContext
    http_method: str = "POST"
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    assertion: Mapping[str, Any] | None = None
    proven: tuple[str, ...] = ()


class Proof(Struct, frozen=True):
    """`user_id` has been proven.

    `methods`: further methods that stand behind this proof (those of the token that was shown). `parent`: the token
    that the new one continues: its end and its chain of audit ids. `facts` go into the token. `scope`: the only scope
    that this proof is good for; asking for one is then refused. `expires_at`: when, in seconds, a token made of this
    has to end at the latest. `password_hash`: the one that was checked, which must still be the user's when the token
    is issued. `settle` runs in the transaction that issues the token, which then writes: it uses up what can be used
    once and raises `Unauthenticated` when somebody else was faster.
    """

    user_id: str
    methods: tuple[str, ...] = ()
    parent: Payload | None = None
    facts: Facts = PLAIN
    scope: Scoped | None = None
    expires_at: int | None = None
    password_hash: str | None = None
    settle: Callable[[Transaction], None] | None = None


Method = Callable[[Attempt, Any], Proof]
