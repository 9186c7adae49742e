"""`cumulet secret rotate NAME`: a new secret instead of one that may be known, while the cloud runs.

`cumulet secret list` (or `--list`) shows all of them with their age. Nothing is printed of a secret itself.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cumulet.cli import admin, hints, link_client, state_folder
from cumulet.cli.api_client import ApiError, unanswered
from cumulet.cli.errors import CliError
from cumulet.config import METADATA_BEFORE, Settings

NODE_SECONDS = 30.0


@dataclass(frozen=True)
class Kind:
    """A secret: `what` it is for, the file or folder under ``secrets`` that it is in (empty: in the database), and how
    it is rotated: the answer is what to say."""

    what: str
    place: str
    rotate: Callable[[Settings], list[str]]


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("secret", help="replace secrets while the cloud runs", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["rotate", "list"], default="list", help="default: list")
    parser.add_argument("name", nargs="?", metavar="NAME", help=", ".join(KINDS))
    parser.add_argument("--list", action="store_true", help="show them with their age")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rotate the one that is named, or list all."""
    settings = Settings.load(args.state)
    if args.list or args.action == "list":
        for line in listed(settings):
            print(line)
        return 0
    if args.name not in KINDS:
        said = "name one of them" if args.name is None else f"there is no secret named {args.name}"
        near = hints.meant(args.name or "", KINDS)
        raise CliError(f"{said}{near} ({', '.join(KINDS)})" if near else f"{said}: {', '.join(KINDS)}")
    with state_folder.locked(settings.state):
        for line in _told(settings, KINDS[args.name]):
            print(line)
    return 0


def _told(settings: Settings, kind: Kind) -> list[str]:
    try:
        return kind.rotate(settings)
    except ApiError as error:
        raise unanswered(error) from error
    except OSError as error:
        raise CliError(f"cannot rotate it: {error.strerror} ({error.filename})") from error


def listed(settings: Settings) -> list[str]:
    """A line for each secret: name, age, what it is for."""
    return [f"{name:<18}{_age(settings, kind):<12}{kind.what}" for name, kind in KINDS.items()]


def _age(settings: Settings, kind: Kind) -> str:
    """Since when it is as it is, in days or smaller units; of nodes, the oldest one's."""
    since = None
    if kind.place:
        with suppress(OSError):
            since = (settings.secrets_dir / kind.place).stat().st_mtime
    else:
        with suppress(ApiError):
            since = min((node["since"] for node in link_client.nodes(settings)), default=None)
    if since is None:
        return "-"
    seconds = max(0, int(time.time() - since))
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size or size == 1:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError


def _operator(settings: Settings) -> list[str]:
    """The controller reads the file for each question, and who asks with the old one reads it again."""
    state_folder.replace_secret(settings.state, "operator_secret", secrets.token_urlsafe(32))
    with suppress(ApiError):  # a cloud that is down takes it up when it starts
        link_client.furnished(settings)
    return ["The operator's secret is a new one; the old one opens nothing."]


def _metadata(settings: Settings) -> list[str]:
    """Proxies that sign with the old one are answered for an hour more."""
    state_folder.replace_secret(settings.state, METADATA_BEFORE, settings.secret("metadata_secret"))
    state_folder.replace_secret(settings.state, "metadata_secret", secrets.token_urlsafe(32))
    before = settings.secrets_dir / METADATA_BEFORE
    return [
        "The secret of metadata proxies is a new one. Cumulet's own nodes do not need it; give it to proxies of yours:",
        f"the one before is good for an hour more, or until you remove {before}",
    ]


def _nodes(settings: Settings) -> list[str]:
    """Each node asks for a fresh secret with the one it has, when it hears of it with its next heartbeat."""
    link_client.renew_nodes(settings)
    deadline = time.monotonic() + NODE_SECONDS
    while waiting := [node for node in link_client.nodes(settings) if node["waits"]]:
        if time.monotonic() > deadline or not any(node["up"] for node in waiting):
            names = ", ".join(node["name"] for node in waiting)
            return [f"These nodes were not heard of and get a new secret when they are: {names}"]
        time.sleep(0.2)
    return ["Every node has a new secret; the old ones open nothing."]


def _metrics(settings: Settings) -> list[str]:
    """The controller reads the file for each question."""
    state_folder.replace_secret(settings.state, "metrics_token", secrets.token_urlsafe(32))
    return [f"Give Prometheus the new token: {settings.secrets_dir}/metrics_token. The old one opens nothing."]


def _certificate(settings: Settings) -> list[str]:
    """The controller looks at the file every second."""
    if not settings.encrypted:
        raise CliError("the APIs speak plain HTTP here: there is no certificate (docs/tls.md)")
    if settings.tls_certificate:
        raise CliError(f"{settings.tls_certificate} is yours: put another in its place, it is read within a second")
    from cumulet.cli import certificates  # imported here: it takes a tenth of a second

    certificates.renew(settings, anyway=True)
    return ["The APIs show a new certificate with a new key, of the same authority: clients see no difference."]


def _credential_keys(settings: Settings) -> list[str]:
    count = link_client.seal_anew(settings)
    return [f"The keys of credentials are new ones; {count} sealed rows are sealed with them."]


def _token_keys(settings: Settings) -> list[str]:
    from cumulet.services.identity import door as identity  # other verbs start without the services

    identity.rotate_keys(settings.secrets_dir)
    return ["Tokens are signed with a new key. The two before are still read, so that no token ends before its time."]


def _database_url(settings: Settings) -> list[str]:
    raise CliError(
        "the database's password is the database's: change it there (ALTER ROLE … PASSWORD …), then\n"
        f"{hints.name()} down, and {hints.name()} up with the new URL in CUMULET_DATABASE_URL. PostgreSQL lets "
        "connections that are there go on, so guests and clients see a restart and no more"
    )


KINDS = {
    "operator_secret": Kind("up, status and this command, on the link's port", "operator_secret", _operator),
    "metadata_secret": Kind("metadata proxies that sign", "metadata_secret", _metadata),
    "service_password": Kind("the users glance, nova, placement and neutron", "service_password",
                             lambda settings: admin.put(settings, "service_password")),
    "admin_password": Kind("the user admin", "admin_password", lambda settings: admin.put(settings, "admin_password")),
    "demo_password": Kind("the user demo", "demo_password", lambda settings: admin.put(settings, "demo_password")),
    "alt_demo_password": Kind("the user alt_demo of a simulated cloud", "alt_demo_password",
                              lambda settings: admin.put(settings, "alt_demo_password")),
    "metrics_token": Kind("Prometheus, for /metrics", "metrics_token", _metrics),
    "tls_server": Kind("the certificate of the APIs and its key", "tls_server", _certificate),
    "node_secrets": Kind("nodes, on the link", "", _nodes),
    "credential_keys": Kind("what is sealed in the database", "credential-keys", _credential_keys),
    "token_keys": Kind("tokens and receipts (every week by itself)", "fernet-keys", _token_keys),
    "database_url": Kind("PostgreSQL", "database_url", _database_url),
}  # fmt: skip
