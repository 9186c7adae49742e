"""Image's part of a process: its stores, what looks after them, and the files that nodes and the operator ask for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cumulet.db import Transaction
from cumulet.engine.retention import Forgets
from cumulet.fleet import door as fleet
from cumulet.fleet.door import Adopting, Turn
from cumulet.fleet.service import FindProblems
from cumulet.problem import Problem
from cumulet.process import CannotBegin, Part, Process, Worker
from cumulet.services.compute import door as compute
from cumulet.services.identity import door as identity
from cumulet.services.image import INTRODUCTION, Options, door
from cumulet.services.image.snapshots import snapshotted

STORES = "image.toml"


def assemble(process: Process) -> Part:
    """Look after what dead uploads left. Raises CannotBegin for stores that cannot be used."""
    settings, db = process.settings, process.db
    try:
        context = _context(process)
        door.register(context)
        door.recover_uploads(db, context)
    except (door.DeclarationError, door.MarkError) as error:
        raise CannotBegin(str(error)) from error
    door.load_default_metadefs(db)
    return Part(
        context,
        image_path=partial(_image_path, context),
        find=door.find,
        adopters=[Adopting(Turn.FOLLOW, door.follow)],
        lost_images=door.LostImages(context, lambda tx: identity.project_named(tx, "admin"), compute.image_name),
        snapshotted=snapshotted(settings.images_dir),
        problems=[
            lambda: [Problem("image-folder", text) for text in context.problems],
            changed_since(settings.state / STORES),
        ],
        forgets={"images": Forgets(door.forget, door.kept)},
        workers=[Worker("images", partial(door.maintain, db, context))],
        grows_in=[settings.images_dir, context.staging.folder],
    )


def _context(process: Process) -> door.ImageContext:
    """The stores and rules, with identity's limits and catalog. While rows are estranged no file is moved."""
    settings, standing = process.settings, process.standing
    vault = process.context(identity.IdentityContext).vault
    found = door.declared(settings.images_dir, settings.state, settings.secrets_dir)
    context = door.ImageContext(
        settings.images_dir,
        declared=found.stores,
        limits=lambda tx, project_id: identity.effective_limits(
            tx, project_id, INTRODUCTION.type, door.LIMITED, settings.region
        ),
        protections=door.property_protections(settings.state),
        rules=found.rules,
        cache_bytes=found.cache_bytes,
        sealing=door.Sealing(vault.seal, vault.open),
        workers=door.ImageWorkers(process.jobs),
        lost_days=found.lost_days,
        shared=settings.own(Options).shared,
        endpoint=lambda tx, region, interface: identity.endpoint_url(tx, INTRODUCTION.type, region, interface),
    )
    context.cloud = lambda tx: fleet.cloud(tx).id
    context.estranged = lambda: standing.estranged or ""
    return context


def _image_path(context: door.ImageContext, tx: Transaction, link_id: str, image_id: str) -> Path | None:
    return door.data_path(tx, context, image_id) if compute.boots_from(tx, link_id, image_id) else None


def changed_since(file: Path) -> FindProblems:
    """Tells whether the file of stores is still what it was at the start, when it was read."""
    before = _stamp(file)

    def find() -> list[Problem]:
        if _stamp(file) == before:
            return []
        sentence = f"{file} was changed since the start, and is not in force"
        return [Problem("stores-ignored", sentence, "cumulet down, then up again, brings it into force")]

    return find


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
