"""The controller process: every service, the link and the flow engine, put together here and nowhere else.

It runs without root. Doors of services meet here: nothing below imports another service than through them.
"""

from __future__ import annotations

import gc
import importlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from cumulet.auth import Policies, Policy, PolicyError, Rule, policy_file
from cumulet.cli import logs, metrics, supervise, trust
from cumulet.cli.backups.snapshots import RunningSnapshots
from cumulet.cli.problems import within
from cumulet.cli.standing import find as found_standing
from cumulet.config import LOOPBACK, NEVER_OUTSIDE, STANDARD_PORTS, Settings, metadata_secrets
from cumulet.db import Database, targets
from cumulet.db.dialects import MissingPart
from cumulet.db.schema import AwayError, SchemaError, prepare
from cumulet.db.trouble import SENTENCES
from cumulet.engine import Engine, timeline
from cumulet.engine.retention import Forgets, Retention
from cumulet.fleet import door as fleet_door
from cumulet.fleet import service as fleet
from cumulet.http import Service
from cumulet.http.app import App
from cumulet.http.audit import AuditLog
from cumulet.http.mount import Mount
from cumulet.http.on_demand import OnDemand
from cumulet.http.server import Secured, listen, serve
from cumulet.http.tls import Certificate, CertificateError
from cumulet.problem import Problem
from cumulet.services.compute import door as compute
from cumulet.services.identity import door as identity
from cumulet.services.image import door as image
from cumulet.services.network import door as network
from cumulet.space import Room

log = logging.getLogger("cumulet.controller")

PATHS = {"identity": "/v3", "compute": "/v2.1", "image": "", "network": "", "placement": ""}


@dataclass
class Controller:
    """Everything that one controller process holds."""

    settings: Settings
    db: Database
    engine: Engine
    app: App
    policies: Policies
    images: image.ImageContext
    retention: Retention


def _loader(module: str) -> Callable[[], Service]:
    """What gives the service of a module, and imports it for that: its operations take longer to declare than to
    serve, so a start does not wait for them."""
    return lambda: importlib.import_module(f"cumulet.services.{module}").load()


LOADERS: dict[str, Callable[[], Service]] = {
    "identity": _loader("identity.api"),
    "image": _loader("image.api"),
    "placement": _loader("placement.api"),
    "network": _loader("network.api"),
    "compute": _loader("compute.api"),
}
"""OpenStack's services, which have operations for its clients and rules of policy."""


FORGETS = {
    "servers": Forgets(compute.forget, compute.kept),
    "images": Forgets(image.forget, image.kept),
    "timelines": Forgets(timeline.forget, timeline.kept),
}
"""What is deleted and goes after `keep_deleted_days`."""


def declared() -> dict[str, Service]:
    """OpenStack's services with their operations, for documents and tests. Touches nothing."""
    return {name: load() for name, load in LOADERS.items()}


def policies(state: Path) -> Policies:
    """The policies of all services under the operator's file. Raises PolicyError."""
    rules = {name: Policy(partial(_rules, load)) for name, load in LOADERS.items()}
    found = Policies(state / policy_file.NAME, rules)
    for warning in found.load():
        log.warning("%s", warning)
    return found


def _rules(load: Callable[[], Service]) -> Sequence[Rule]:
    return load().rules


def assemble(settings: Settings) -> Controller:
    """Prepare the database and put the services together. Opens no socket. Raises SchemaError."""
    db = Database(settings.database, durable=settings.simulated is None)
    try:
        return _assembled(settings, db)
    except Exception as error:
        why = db.trouble(error)
        if why is None:
            raise
        raise (SchemaError if why == "damaged" else AwayError)(SENTENCES[why]) from error


def _assembled(settings: Settings, db: Database) -> Controller:
    prepare(db)
    standing = found_standing(settings, db)
    endpoints = {name: settings.url(name) + path for name, path in PATHS.items()}
    simulated = settings.simulated is not None
    region, secrets = settings.region, settings.secrets_dir
    identity.bootstrap(db, secrets=secrets, endpoints=endpoints, region=region, alternate=simulated)
    engine = Engine(db)
    who = _identity(settings, db)
    images = _images(settings, standing)
    image.register(engine, images, db)
    image.recover_uploads(db, images)
    image.load_default_metadefs(db)
    computing = _computing(settings, engine)
    compute.register(engine, computing)
    link = _link(settings, engine, computing, images)
    retention = Retention(db, settings.keep_deleted_days, FORGETS)
    link.facts = retention.facts
    link.actions = _actions(db, who)
    link.problems = [*link.problems, identity.AdminsPassword(db, settings.secrets_dir).problems]
    link.standing = standing
    contexts: dict[str, tuple[Callable[[], Service], Any]] = {
        "identity": (LOADERS["identity"], who),
        "identity_admin": (LOADERS["identity"], who),
        "image": (LOADERS["image"], images),
        "placement": (LOADERS["placement"], None),
        "network": (LOADERS["network"], network.NetworkContext(settings.region)),
        "compute": (LOADERS["compute"], computing),
        "metadata": (_loader("compute.metadata.service"), computing),
        "console": (_loader("compute.console.service"), computing),
        "link": (fleet.load, link),
    }
    rules = policies(settings.state)
    engine.when_set.append(fleet_door.clock_was_set)
    clocks = within.clocks(db, link.heard)
    link.problems = [*link.problems, *_problems(settings, db, engine, rules), clocks]
    mounts = {
        settings.ports.of(name): _mount(settings, name, load, context, rules)
        for name, (load, context) in contexts.items()
    }
    room, origins, proxies = _room(settings), settings.cors_origins, settings.trusted_proxies
    app = App(db, mounts, who.authenticate, origins=origins, proxies=proxies, state=settings.state, room=room)
    app.on_demand = link.on_demand = _on_demand(settings)
    _audit(settings, app, link)
    app.exposition = metrics.Metrics(settings, db, app.measures, link.heard).answer
    return Controller(settings, db, engine, app, rules, images, retention)


def _audit(settings: Settings, app: App, link: fleet.LinkContext) -> None:
    """Have every change, login and refusal written down. What nodes say all the time is none of them."""
    if not settings.audit_days:
        return
    quiet = frozenset(each.name for each in fleet.load().operations if each.admit is fleet.a_node)
    audit = AuditLog(settings.audit_dir, settings.audit_days, quiet=quiet, clean=logs.without_secrets)
    app.watchers.append(audit.watch)
    link.problems = [*link.problems, audit.problems]


def _identity(settings: Settings, db: Database) -> identity.IdentityContext:
    """How identity issues and checks, as the options say."""
    return identity.IdentityContext(
        settings.secrets_dir,
        settings.region,
        settings.limit_model,
        token_seconds=settings.token_seconds,
        wakeups=db.wakeups if db.alone else None,
        password_rules=identity.PasswordRules(
            **{name: getattr(settings, name) for name in identity.PasswordRules.__struct_fields__}
        ),
    )


def _problems(settings: Settings, db: Database, engine: Engine, rules: Policies) -> list[fleet.FindProblems]:
    """What only this process sees of what is wrong."""
    return [
        within.database(db),
        within.policy(rules),
        within.stores(settings.state / "image.toml"),
        within.clock(db, engine.clock),
    ]


def _room(settings: Settings) -> Room:
    """The disks that grow with images and servers."""
    rows = settings.database.parent if isinstance(settings.database, Path) else None
    return Room([settings.state / name for name in ("db", "images", "images-staging", "node")], rows)


def _mount(settings: Settings, name: str, load: Callable[[], Service], context: Any, rules: Policies) -> Mount:
    """A service at its place, where clients find it directly or through a proxy."""
    kind = name.removesuffix("_admin")
    return Mount(
        load,
        context,
        rules.policies.get(kind) or Policy(()),
        settings.url("identity") + PATHS["identity"],
        public=settings.public_urls.get(kind, ""),
        proxied=name not in NEVER_OUTSIDE,
        type=kind,
        request_id_header="x-compute-request-id" if kind == "compute" else "",
    )


def _on_demand(settings: Settings) -> OnDemand | None:
    """Faults that a test asks for: only in clouds whose hosts are simulated."""
    if settings.simulated is None:
        return None
    return OnDemand(lambda: [*declared().values()])


def _images(settings: Settings, standing: fleet.Standing) -> image.ImageContext:
    """The image service's stores and rules, with identity's limits and catalog. While rows are estranged it moves no
    file."""
    found = image.declared(settings.images_dir, settings.state, settings.secrets_dir)
    context = image.ImageContext(
        settings.images_dir,
        declared=found.stores,
        limits=lambda tx, project_id: identity.effective_limits(
            tx, project_id, "image", image.LIMITED, settings.region
        ),
        protections=image.property_protections(settings.state),
        rules=found.rules,
        cache_bytes=found.cache_bytes,
        lost_days=found.lost_days,
        shared=settings.shared,
        endpoint=lambda tx, region, interface: identity.endpoint_url(tx, "image", region, interface),
    )
    context.cloud = lambda tx: fleet_door.cloud(tx).id
    context.estranged = lambda: standing.estranged or ""
    return context


def _computing(settings: Settings, engine: Engine) -> compute.ComputeContext:
    """What compute, its metadata service and its console know of this process."""
    return compute.ComputeContext(
        engine=engine,
        metadata_secrets=lambda: metadata_secrets(settings.secrets_dir),
        console_base_url=settings.url("console"),
        screens=settings.node_dir / "vnc",
        region=settings.region,
        controller_host=settings.node_name,
        deadlines=compute.Deadlines(settings.create_seconds, settings.delete_seconds, settings.power_seconds),
        simulated=settings.simulated is not None,
    )


def _snapshots(settings: Settings, hosts_changed: Sequence[fleet.HostsChanged]) -> RunningSnapshots | None:
    """Snapshots, in a simulated cloud."""
    if settings.simulated is None:
        return None
    return RunningSnapshots(settings.state / "snapshots", settings.images_dir, hosts_changed)


def _link(
    settings: Settings, engine: Engine, computing: compute.ComputeContext, images: image.ImageContext
) -> fleet.LinkContext:
    """What nodes are told and asked, by the services that know it."""
    hosts_changed = [compute.hosts_changed, network.hosts_changed]
    return fleet.LinkContext(
        operator_secret=lambda: settings.secret("operator_secret"),
        engine=engine,
        renderers={**network.RENDERERS, **compute.renderers(computing)},
        reports={**network.REPORTS, **compute.reports(engine)},
        hosts_changed=hosts_changed,
        snapshots=_snapshots(settings, hosts_changed),
        hosts_left=[compute.hosts_left],
        image_path=lambda tx, link_id, image_id: (
            image.data_path(tx, images, image_id) if compute.boots_from(tx, link_id, image_id) else None
        ),
        metadata=compute.metadata(computing),
        find=[compute.find, network.find, image.find, identity.find],
        adopters=[
            *(compute.vet, network.adopt, compute.adopt, identity.adopt),
            *(image.follow, compute.follow, network.follow),
        ],
        lost_images=image.LostImages(images, lambda tx: identity.project_named(tx, "admin"), compute.image_name),
        ended={"guest": compute.ended},
        problems=[lambda: [Problem("image-folder", text) for text in images.problems]],
    )


def _actions(db: Database, who: identity.IdentityContext) -> fleet.Actions:
    """What the operator may have done without being a user."""
    return fleet.Actions(
        token=who.command_line.token,
        put_password=lambda secret, password: identity.put_password(db, who.password_rules, secret, password),
        seal_anew=lambda: who.vault.rotate(db),
    )


def sockets(settings: Settings) -> tuple[list[socket.socket], list[socket.socket]]:
    """Listening sockets of all services: those that speak HTTP, and those that speak it within TLS. Some never leave
    this machine, whatever `listen` says."""
    plain: list[socket.socket] = []
    secured: list[socket.socket] = []
    for name in STANDARD_PORTS:
        address = LOOPBACK if name in NEVER_OUTSIDE else settings.listen
        (secured if settings.scheme(name) == "https" else plain).append(listen(address, settings.ports.of(name)))
    return plain, secured


def _secured(settings: Settings, listening: list[socket.socket], ended: threading.Event) -> Secured | None:
    """The certificate for the sockets that need one, looked after until the process ends. Raises CertificateError."""
    if not listening:
        return None
    if not settings.tls_certificate:
        from cumulet.cli import certificates  # imported here: a cloud that makes none starts without it

        keeper = threading.Thread(target=certificates.keep_fresh, args=(settings, ended), name="tls", daemon=True)
        keeper.start()
    return Secured(Certificate(*trust.files(settings)), listening)


def run(settings: Settings) -> int:
    """Serve until SIGTERM."""
    try:
        controller = assemble(settings)
    except (PolicyError, SchemaError, MissingPart, image.DeclarationError, image.MarkError) as error:
        print(f"controller: {error}", file=sys.stderr)
        return supervise.PASSING if isinstance(error, AwayError) else supervise.FINAL
    runner = threading.Thread(target=controller.engine.run, name="engine", daemon=True)
    runner.start()
    ended = threading.Event()
    threading.Thread(target=controller.policies.watch, args=(ended,), name="policy", daemon=True).start()
    tending = (controller.db, controller.images, ended)
    threading.Thread(target=image.maintain, args=tending, name="images", daemon=True).start()
    threading.Thread(target=controller.db.listen, args=(ended,), name="wake-ups", daemon=True).start()
    threading.Thread(target=controller.retention.run, args=(ended,), name="retention", daemon=True).start()
    keeper = (settings.secrets_dir, ended)
    threading.Thread(target=identity.keep_keys_fresh, args=keeper, name="keys", daemon=True).start()
    gc.enable()
    gc.freeze()  # what is loaded now lives as long as the process: no collection looks at it again
    gc.set_threshold(20_000, 50, 50)  # a list of a thousand servers is no reason to look for cycles; few are made
    sys.setswitchinterval(0.001)  # threads that work must not keep the event loop waiting for long
    try:
        plain, encrypted = sockets(settings)
        uvloop.run(serve(controller.app, plain, _secured(settings, encrypted, ended)))
    except CertificateError as error:
        print(f"controller: {error}", file=sys.stderr)
        return 2
    finally:
        ended.set()
        controller.images.ending.set()
        controller.engine.stop()
        runner.join(5)
        targets.checkpoint(controller.db)  # all rows are in one file from now on
    return 0


__all__ = ["LOADERS", "Controller", "assemble", "declared", "policies", "run", "sockets"]
