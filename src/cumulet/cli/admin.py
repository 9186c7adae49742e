"""`cumulet admin password`: a new password for the user admin, whatever has become of the old one.

It needs the operator's secret and no password: admin is enabled, unlocked and not expired afterwards, and made again
when somebody has deleted the user. The password is drawn unless it is given, and is never printed: it is in
STATE/secrets/admin_password, admin-openrc and clouds.yaml. Tokens that admin had end.
"""

from __future__ import annotations

import argparse
import getpass
import secrets
import sys
from pathlib import Path
from typing import Any

from cumulet.cli import credentials, hints, link_client, state_folder
from cumulet.cli.api_client import ApiError, unanswered
from cumulet.cli.errors import CliError
from cumulet.config import Settings

SECRET = "admin_password"  # noqa: S105 - the name of a file
LONGEST = 4096


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("admin", help="a new password for the user admin", description=__doc__)
    parser.add_argument("action", choices=["password"], help="password: set one, enable and unlock admin")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--password-file", metavar="FILE", help="its first line is the password (-: standard input)")
    given.add_argument("--ask", action="store_true", help="ask for the password on the terminal")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Set it, write it where it is read, and say what to do with it."""
    settings = Settings.load(args.state)
    password = _given(args)
    with state_folder.locked(settings.state):
        for line in put(settings, SECRET, password):
            print(line)
    return 0


def put(settings: Settings, secret: str, password: str | None = None) -> list[str]:
    """Give the users of a secret a password (None: a fresh one) and write it into the files; what to say of it.

    A failure in between is mended by doing it again. Raises CliError.
    """
    fresh = password or secrets.token_urlsafe(24)
    try:
        done = link_client.put_password(settings, secret, fresh)
    except ApiError as error:
        if error.code == 400 and password is None:
            raise CliError(f"{error} Choose one yourself: {hints.name()} admin password --ask") from error
        raise unanswered(error) from error
    state_folder.replace_secret(settings.state, secret, fresh)
    credentials.write(settings)
    names = done["users"]
    said = [f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} a new password, and no token any more."]
    if done["made"]:
        said.append("There was no user admin: it is there again, with its roles.")
    elif done.get("roles"):
        said.append("Nobody had the role admin any more: admin has its roles again.")
    if done.get("powerless"):
        said.append(
            "It has no role admin, neither for the system nor in the project admin; others have, and can give it."
        )
    if done["second_factor"]:
        said.append("A second factor is still asked for; the password alone opens nothing.")
    if secret != "service_password":  # noqa: S105
        said.append(f"Source it again: . {settings.state}/{names[0]}-openrc (clouds.yaml is written, too)")
    return said


def _given(args: argparse.Namespace) -> str | None:
    """The password of the command line's file or terminal; None to draw one. Raises CliError."""
    if args.ask:
        if not sys.stdin.isatty():
            raise CliError("there is no terminal to ask on; use --password-file FILE")
        first, second = getpass.getpass("New password of admin: "), getpass.getpass("Again: ")
        if first != second:
            raise CliError("the two passwords differ; nothing was changed")
        return _checked(first)
    if args.password_file is None:
        return None
    try:
        from_stdin = str(args.password_file) == "-"
        text = sys.stdin.read(LONGEST * 4) if from_stdin else Path(args.password_file).read_text("utf-8")
    except OSError as error:
        raise CliError(f"cannot read {args.password_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{args.password_file} is not text in UTF-8") from error
    return _checked(text.split("\n", 1)[0].rstrip("\r"))


def _checked(password: str) -> str:
    if not password.strip() or password != password.strip() or len(password) > LONGEST or not password.isprintable():
        raise CliError(
            f"a password has 1 to {LONGEST} letters that can be printed, and no space at its ends; nothing was changed"
        )
    return password
