"""Identity's part of a process: who asks, and what the operator may have done about passwords."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from cumulet.config import Settings
from cumulet.db import Database, Transaction
from cumulet.fleet.door import Adopting, Turn
from cumulet.fleet.service import Actions
from cumulet.introduction import introductions
from cumulet.process import Part, Process, Snapshotted, Worker
from cumulet.services.identity import Options, door


def assemble(process: Process) -> Part:
    """Do what a first start does, and be ready to check tokens."""
    settings, db = process.settings, process.db
    door.bootstrap(
        db,
        secrets=settings.secrets_dir,
        endpoints=catalog(settings),
        region=settings.region,
        alternate=process.simulated,
    )
    context = _context(settings, db)
    return Part(
        context,
        authenticate=context.authenticate,
        find=door.find,
        adopters=[Adopting(Turn.OWNERS, door.adopt)],
        snapshotted=Snapshotted(before=_before_reset),
        problems=[door.AdminsPassword(db, settings.secrets_dir).problems],
        actions=_actions(db, context),
        workers=[Worker("keys", partial(door.keep_keys_fresh, settings.secrets_dir))],
    )


def _before_reset(tx: Transaction, folder: Path) -> Callable[[], None]:
    """What is kept of tokens in memory counts no more."""
    generation = door.generation(tx)
    return lambda: door.surpass_generation(tx, generation)


def catalog(settings: Settings) -> dict[str, str]:
    """Service type → URL, of all that the catalog shows."""
    return {each.type: settings.url(each.type) + each.version_path for each in introductions() if each.project}


def _context(settings: Settings, db: Database) -> door.IdentityContext:
    """How identity issues and checks, as the options say."""
    options = settings.own(Options)
    rules = {name: getattr(options, name) for name in door.PasswordRules.__struct_fields__}
    return door.IdentityContext(
        settings.secrets_dir,
        settings.region,
        options.limit_model,
        token_seconds=options.token_seconds,
        wakeups=db.wakeups if db.alone else None,
        password_rules=door.PasswordRules(**rules),
    )


def _actions(db: Database, who: door.IdentityContext) -> Actions:
    """What the operator may have done without being a user."""
    return Actions(
        token=who.command_line.token,
        put_password=lambda secret, password: door.put_password(db, who.password_rules, secret, password),
        seal_anew=lambda: who.vault.rotate(db),
    )
