"""Where the passphrase or the key of a backup comes from: a file that is named, or a person at a terminal.

Never from an argument's or a variable's text, which other users of the machine may see.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path

from cumulet.cli.backup import FILES
from cumulet.cli.backups.sealing import Secret, passphrase, read_secret
from cumulet.cli.errors import CliError


def given(args: argparse.Namespace) -> Secret | None:
    """The secret that a flag names, or a variable; None without. Raises CliError when two are named."""
    flags = {kind: getattr(args, f"{kind}_file") for kind in FILES}
    named = {kind: path for kind, path in flags.items() if path is not None}
    if not named:
        named = {kind: Path(os.environ[name]) for kind, (name, _) in FILES.items() if os.environ.get(name)}
    if len(named) > 1:
        raise CliError("a backup is sealed with a passphrase or with a key file, not with both")
    return next((read_secret(kind, path) for kind, path in named.items()), None)


def to_seal(args: argparse.Namespace) -> Secret:
    """The secret for a new backup; asked twice at a terminal. Raises CliError where nobody can be asked."""
    found = given(args)
    if found is not None:
        return found
    if not sys.stdin.isatty():
        raise CliError(
            "a backup holds the cloud's secrets, and is sealed: give --passphrase-file FILE or --key-file FILE. "
            "Without a seal: --without-secrets leaves the secrets out, and all rows stay readable"
        )
    first = passphrase(getpass.getpass("Passphrase for the backup: "), "what was typed")
    if getpass.getpass("The same again: ").encode("utf-8", "surrogateescape") != first.value:
        raise CliError("the two differ; nothing was done")
    return first


def to_open(args: argparse.Namespace, seal: str, name: str) -> Secret | None:
    """The secret for a backup that is sealed with `seal`; asked at a terminal when it is a passphrase."""
    if seal == "none":
        return None
    found = given(args)
    if found is None and seal == "passphrase" and sys.stdin.isatty():
        return passphrase(getpass.getpass(f"Passphrase of {name}: "), "what was typed")
    return found
