"""The words of the command line before argparse has them, and what is said of those that make no sense.

The state folder is taken wherever it stands, and who mistypes a verb, a flag, an environment variable, or calls a
command of the client without the client, is told what was probably meant.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from cumulet.cli import hints
from cumulet.cli.errors import CliError
from cumulet.config import names

WRONG_WORDS = 2
"""Exit status for what cannot be understood, as argparse has it."""

VARIABLES = (
    *("CUMULET_STATE", "CUMULET_DATABASE_URL", "CUMULET_ROOT", "CUMULET_ENV", "CUMULET_PYTHON"),
    *("CUMULET_CLIENT_ENV", "CUMULET_AUDIT_ENV", "CUMULET_TEMPEST_ENV", "CUMULET_RESTARTS"),
)
"""Of the environment, beside one for each option. Those of `_OF_TESTS` are for our own tests."""
_OF_TESTS = ("CUMULET_TEST_", "CUMULET_SEEDS", "CUMULET_STORM_SECONDS", "CUMULET_EVERY_INSTANT", "CUMULET_PRIVATE_")
_OF_BACKUPS = "CUMULET_BACKUP_"

CLIENTS = frozenset(
    (
        *("address", "aggregate", "application", "availability", "catalog", "complete", "compute", "configuration"),
        *("console", "credential", "domain", "ec2", "endpoint", "extension", "federation", "flavor", "floating"),
        *("group", "host", "hypervisor", "identity", "image", "implied", "ip", "keypair", "limit", "limits", "mapping"),
        *("network", "object", "policy", "port", "project", "quota", "region", "registered", "request", "resource"),
        *("role", "router", "security", "server", "service", "snapshot", "subnet", "token", "trust", "usage", "user"),
        *("versions", "volume"),
    )
)
"""First words of commands of the official client, some of which are verbs of ours, too."""
CLIENTS_DEEDS = ("list", "show", "create", "delete", "set", "unset", "save", "add", "remove", "issue", "revoke")
"""Second words of them."""


class Parser(argparse.ArgumentParser):
    """Says in one sentence what it does not understand, and what was probably meant. `verbs`: the parser of each."""

    verbs: Mapping[str, argparse.ArgumentParser] = {}

    def error(self, message: str) -> NoReturn:
        """Raises CliError with argparse's message, made helpful where that is possible."""
        verb = self.prog.partition(" ")[2]
        choice = re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w-]+", choice.group(2))
            if verb in CLIENTS and choice.group(1) in CLIENTS_DEEDS:
                raise of_the_client([verb, choice.group(1)])
            message = f"no {choice.group(1)}{hints.meant(choice.group(1), known)} ({', '.join(known)})"
        said = f"{verb}: {message}" if verb else message
        raise CliError(f"{said}. More: {hints.name()} {verb + ' ' if verb else ''}--help", WRONG_WORDS)


def of_the_client(words: Sequence[str]) -> CliError:
    """The error for a command of the client that was given to us."""
    state, typed = without_state(words, ())
    asked = " ".join(["openstack", *typed])
    said = f"{hints.name()} {asked}" if state is None else hints.command(asked, state)
    return CliError(f"{words[0]} is a command of the client: {said}", WRONG_WORDS)


def parsed(parser: Parser, words: list[str]) -> argparse.Namespace:
    """The words as a namespace. Raises CliError, with status 2, for those that cannot be understood."""
    verbs = parser.verbs
    if words and not words[0].startswith("-") and words[0] not in verbs:
        if words[0] in CLIENTS:
            raise of_the_client(words)
        near = hints.meant(words[0], verbs)
        raise CliError(f"no verb {words[0]}{near or f'; {hints.name()} --help lists them'}", WRONG_WORDS)
    args, left = parser.parse_known_args(words)
    if left:
        flags = [flag for action in verbs[args.verb]._actions for flag in action.option_strings if flag[:2] == "--"]
        word = next((each for each in left if each.startswith("-")), left[0])
        flag = word.partition("=")[0]
        if not flag.startswith("-"):
            raise CliError(f"{args.verb} has no use for {word!r}. More: {hints.name()} {args.verb} --help", WRONG_WORDS)
        raise CliError(f"{args.verb} has no flag {flag}{hints.meant(flag, flags)} ({', '.join(flags)})", WRONG_WORDS)
    return args


def without_state(words: Sequence[str], passed_on: Collection[str]) -> tuple[Path | None, list[str]]:
    """The state folder that is named, wherever it stands, and the other words.

    The words after a verb of `passed_on` are somebody else's: before them it may stand, not among them. Raises CliError
    when it is named without a folder, or twice with different ones.
    """
    found: list[str] = []
    left: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--state":
            if not rest:
                raise CliError("--state wants a folder: --state DIR", WRONG_WORDS)
            found.append(rest.pop(0))
        elif word.startswith("--state="):
            found.append(word.partition("=")[2])
        elif word == "--" or (left and left[0] in passed_on):
            left += [word, *rest]
            break
        else:
            left.append(word)
    places = {Path(text).expanduser().absolute() for text in found}
    if len(places) > 1:
        raise CliError(f"--state is given twice: {' and '.join(sorted(map(str, places)))}", WRONG_WORDS)
    return (places.pop() if places else None), left


def among_the_clients(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The state folder that stands among the words of a client's command, and the other words.

    Commands of the client have a ``--state`` of their own (``volume set --state error``), so it is ours only when it
    names the folder of a cloud.
    """
    from cumulet.cli.state_folder import is_state_folder  # most commands name none

    for at, word in enumerate(words):
        name, equals, text = word.partition("=")
        if name == "--state" and (equals or at + 1 < len(words)):
            state = Path(text if equals else words[at + 1]).expanduser().absolute()
            if is_state_folder(state):
                return state, [*words[:at], *words[at + (1 if equals else 2) :]]
    return None, list(words)


def check_variables(environ: Mapping[str, str]) -> None:
    """Refuse variables of ours that nobody reads: whoever set one meant something. Raises CliError."""
    known = {f"CUMULET_{name.upper()}" for name in names()} | set(VARIABLES)
    for name in sorted(environ):
        if name.startswith("CUMULET_") and name not in known and not name.startswith((*_OF_TESTS, _OF_BACKUPS)):
            near = hints.meant(name.removeprefix("CUMULET_"), [each.removeprefix("CUMULET_") for each in known])
            meant = near.replace("did you mean ", "did you mean CUMULET_") or ": unset it"
            raise CliError(f"there is no option {name}{meant}", WRONG_WORDS)
