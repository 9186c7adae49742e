"""The controller process: every service, the link and the flow engine, put together here and nowhere else.

It runs without root. It knows no service by name: each makes its part (`cumulet.process`), which are joined here.
"""

from __future__ import annotations

import gc
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from cumulet.auth import Policies, Policy, PolicyError, Rule, policy_file
from cumulet.cli import logs, metrics, supervise, trust
from cumulet.cli.backups.snapshots import RunningSnapshots
from cumulet.cli.problems import within
from cumulet.cli.standing import find as found_standing
from cumulet.config import LOOPBACK, Settings, stays_inside
from cumulet.db import Database, targets
from cumulet.db.dialects import MissingPart
from cumulet.db.schema import AwayError, SchemaError, prepare
from cumulet.db.trouble import SENTENCES
from cumulet.engine import Engine, Workers, timeline
from cumulet.engine.retention import Forgets, Retention
from cumulet.fleet import INTRODUCTION as LINK
from cumulet.fleet import door as fleet_door
from cumulet.fleet import service as fleet
from cumulet.fleet.api import load as load_link
from cumulet.http import Service
from cumulet.http.app import App
from cumulet.http.audit import AuditLog
from cumulet.http.faults import NotFound, guideline_body
from cumulet.http.mount import Mount, Shared
from cumulet.http.on_demand import OnDemand
from cumulet.http.server import Secured, listen, serve
from cumulet.http.tls import Certificate, CertificateError
from cumulet.introduction import Introduction, introductions
from cumulet.process import CannotBegin, Part, Process
from cumulet.space import Room

log = logging.getLogger("cumulet.controller")

T = TypeVar("T")


@dataclass
class Controller:
    """Everything that one controller process holds. `parts`: what each service brought, by its type."""

    settings: Settings
    db: Database
    engine: Engine
    app: App
    policies: Policies
    parts: Mapping[str, Part]
    retention: Retention
    jobs: Workers


def loaders() -> dict[str, Callable[[], Service]]:
    """OpenStack's services by type, which have operations for its clients and rules of policy: what loads each.

    Operations take longer to declare than to serve, so a start does not wait for them."""
    return {each.type: partial(_load, each) for each in introductions() if each.project}


_loading = threading.Lock()
"""Modules of one service import each other: two threads that begin at different ends would see halves."""


def _load(service: Introduction) -> Service:
    with _loading:
        found: Service = service.found("api").load()
    return found


def declared() -> dict[str, Service]:
    """OpenStack's services with their operations, for documents and tests. Touches nothing."""
    return {name: load() for name, load in loaders().items()}


def assemblies() -> dict[str, Callable[[Process], Part]]:
    """What makes each service's part of a process, by type; all tables are declared afterwards. The link is joined out
    of the others' parts."""
    return {each.type: each.found("assembly").assemble for each in introductions() if each.type != LINK.type}


def policies(state: Path) -> Policies:
    """The policies of all services under the operator's file. Raises PolicyError."""
    rules = {name: Policy(partial(_rules, load)) for name, load in loaders().items()}
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
    assembled = assemblies()
    prepare(db)
    process = Process(settings, db, Engine(db), found_standing(settings, db))
    for name, assemble_ in assembled.items():
        process.parts[name] = assemble_(process)
    parts, engine = list(process.parts.values()), process.engine
    link = _link(process)
    forgets = {"timelines": Forgets(timeline.forget, timeline.kept)}
    for part in parts:
        forgets |= part.forgets
    retention = Retention(db, settings.keep_deleted_days, forgets)
    link.facts = retention.facts
    rules = policies(settings.state)
    engine.when_set.append(fleet_door.clock_was_set)
    link.problems = [
        *(find for part in parts for find in part.problems),
        *(within.database(db), within.policy(rules), within.clock(db, engine.clock)),
        within.clocks(db, link.heard),
    ]
    app = App(
        db,
        _mounts(process, link, rules),
        only(part.authenticate for part in parts),
        origins=settings.cors_origins,
        proxies=settings.trusted_proxies,
        state=settings.state,
        room=_room(process),
    )
    app.on_demand = link.on_demand = _on_demand(settings)
    _audit(settings, app, link)
    gauges = [part.gauges for part in parts if part.gauges]
    app.exposition = metrics.Metrics(settings, db, app.measures, link.heard, gauges).answer
    return Controller(settings, db, engine, app, rules, process.parts, retention, process.jobs)


def only(found: Iterable[T | None]) -> T:
    """The one that is there. Raises LookupError when none is, or several are."""
    there = [each for each in found if each is not None]
    if len(there) != 1:
        raise LookupError(f"one service has to give it, not {len(there)}")
    return there[0]


def _audit(settings: Settings, app: App, link: fleet.LinkContext) -> None:
    """Have every change, login and refusal written down. What nodes say all the time is none of them."""
    if not settings.audit_days:
        return
    quiet = frozenset(each.name for each in load_link().operations if each.admit is fleet.a_node)
    audit = AuditLog(settings.audit_dir, settings.audit_days, quiet=quiet, clean=logs.without_secrets)
    app.watchers.append(audit.watch)
    link.problems = [*link.problems, audit.problems]


def _room(process: Process) -> Room:
    """The disks that grow with what clients make."""
    settings = process.settings
    rows = settings.database.parent if isinstance(settings.database, Path) else None
    grow = [folder for part in process.parts.values() for folder in part.grows_in]
    return Room([settings.state / "db", *grow, settings.node_dir], rows)


def _mounts(process: Process, link: fleet.LinkContext, rules: Policies) -> dict[int, Mount | Shared]:
    """Each service at each of its ports."""
    settings = process.settings
    contexts = {name: part.context for name, part in process.parts.items()} | {LINK.type: link}
    found: dict[int, Mount | Shared] = {}
    together: dict[int, list[Mount]] = {}
    for each in introductions():
        mount = _mount(settings, each, contexts[each.type], rules)
        for port in {settings.ports.of(name) for name in each.ports}:
            found[port] = mount
            if mount.public.own:
                together.setdefault(port, []).append(mount)
    return found | {port: Shared(_front(mounts), mounts) for port, mounts in together.items()}


def _front(mounts: Sequence[Mount]) -> Service:
    """What is at the root of a port that services share: nothing but words."""
    paths = ", ".join(mount.public.own for mount in mounts)
    return Service(
        "front",
        faults=guideline_body,
        not_found=lambda: NotFound(f"Each service has a path of its own on this port: {paths}."),
    )


def _mount(settings: Settings, service: Introduction, context: Any, rules: Policies) -> Mount:
    """A service at its place, where clients find it directly or through a proxy."""
    return Mount(
        partial(_load, service),
        context,
        rules.policies.get(service.type) or Policy(()),
        settings.auth_url,
        public=settings.public_urls.get(service.type, ""),
        proxied=not service.local,
        type=service.type,
        request_id_header=service.request_id_header,
        prefix=settings.prefix(service.type),
    )


def _on_demand(settings: Settings) -> OnDemand | None:
    """Faults that a test asks for: only in clouds whose hosts are simulated."""
    if settings.simulated is None:
        return None
    return OnDemand(lambda: [*declared().values()])


def _snapshots(process: Process, hosts_changed: Sequence[fleet.HostsChanged]) -> RunningSnapshots | None:
    """Snapshots, in a simulated cloud."""
    if not process.simulated:
        return None
    services = [part.snapshotted for part in process.parts.values() if part.snapshotted]
    return RunningSnapshots(process.settings.state / "snapshots", services, hosts_changed)


def _link(process: Process) -> fleet.LinkContext:
    """What nodes are told and asked, and the operator, by the services that know it."""
    settings, parts = process.settings, list(process.parts.values())
    hosts_changed = [part.hosts_changed for part in parts if part.hosts_changed]
    return fleet.LinkContext(
        operator_secret=lambda: settings.secret("operator_secret"),
        engine=process.engine,
        renderers={kind: render for part in parts for kind, render in part.renderers.items()},
        older={kind: write for part in parts for kind, write in part.older.items()},
        reports={kind: handle for part in parts for kind, handle in part.reports.items()},
        hosts_changed=hosts_changed,
        hosts_left=[part.hosts_left for part in parts if part.hosts_left],
        image_path=only(part.image_path for part in parts),
        metadata=only(part.metadata for part in parts),
        find=[part.find for part in reversed(parts) if part.find],  # what is asked about most, first
        adopters=[each for part in parts for each in part.adopters],
        lost_images=only(part.lost_images for part in parts),
        ended={kind: ended for part in parts for kind, ended in part.ended.items()},
        actions=only(part.actions for part in parts),
        standing=process.standing,
        snapshots=_snapshots(process, hosts_changed),
    )


def sockets(settings: Settings) -> tuple[list[socket.socket], list[socket.socket]]:
    """Listening sockets of all services: those that speak HTTP, and those that speak it within TLS. Some never leave
    this machine, whatever `listen` says."""
    plain: list[socket.socket] = []
    secured: list[socket.socket] = []
    for name, port in settings.ports.listeners().items():
        address = LOOPBACK if stays_inside(name) else settings.listen
        (secured if settings.scheme(name) == "https" else plain).append(listen(address, port))
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
    except (PolicyError, SchemaError, MissingPart, CannotBegin) as error:
        print(f"controller: {error}", file=sys.stderr)
        return supervise.PASSING if isinstance(error, AwayError) else supervise.FINAL
    runner = threading.Thread(target=controller.engine.run, name="engine", daemon=True)
    runner.start()
    ended = threading.Event()
    threading.Thread(target=controller.policies.watch, args=(ended,), name="policy", daemon=True).start()
    for part in controller.parts.values():
        for name, work in part.workers:
            threading.Thread(target=work, args=(ended,), name=name, daemon=True).start()
    working = threading.Thread(target=controller.jobs.run, args=(controller.db,), name="jobs", daemon=True)
    working.start()
    threading.Thread(target=controller.db.listen, args=(ended,), name="wake-ups", daemon=True).start()
    threading.Thread(target=controller.retention.run, args=(ended,), name="retention", daemon=True).start()
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
        controller.jobs.stop()
        controller.engine.stop()
        runner.join(5)
        working.join(5)
        targets.checkpoint(controller.db)  # all rows are in one file from now on
    return 0


__all__ = ["Controller", "assemble", "assemblies", "declared", "loaders", "policies", "run", "sockets"]
