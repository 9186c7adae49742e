"""Restoring: look at all of the backup, then write files, then rows, and only then is there a cloud to start."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

from cumulet.cli import hints, state_folder
from cumulet.cli.backups import listing, places, rows, secrets
from cumulet.cli.backups.contents import is_image
from cumulet.cli.backups.making import sealed_how
from cumulet.cli.backups.objects import Objects, objects_at
from cumulet.cli.backups.places import Place, Writing
from cumulet.cli.backups.reading import Found, Reading
from cumulet.cli.backups.records import Bytes, Elsewhere, FileEnd, FileStart
from cumulet.cli.backups.sealing import Secret
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import Settings, check_database_url, read_private
from cumulet.db import iso
from cumulet.node import trees

TOKEN_KEYS = ("fernet-keys", "receipt-keys")
ROOM = 3
"""A database takes about so many times the bytes of its rows, with indexes and its log."""


def run(args: argparse.Namespace) -> int:
    """Look, refuse or restore."""
    progress = Progress()
    secret = secrets.to_open(args, sealed_how(args.file), str(args.file))
    with progress.step(f"look at {args.file}"):
        found = Reading(args.file, secret).look()
    if args.check:
        print(listing.as_text(args.file, found))
        return 0
    rows.require_known(found)
    objects = _objects(args, found)
    place = places.look(args.state)
    if not args.without_images:
        _require_objects(objects, found)
    places.require_room(args.state, _needed(found, args.without_images))
    _restore(place, (args.file, secret), found, (objects, args.without_images), progress)
    return 0


def _objects(args: argparse.Namespace, found: Found) -> Objects | None:
    if not found.elsewhere or args.without_images:
        return None
    return objects_at(args.images_from or found.head.images)


def _require_objects(objects: Objects | None, found: Found) -> None:
    """All images are where they are said to be."""
    gone = [each for each in found.elsewhere if objects is not None and not objects.has(each.sha256, each.size)]
    if gone and objects is not None:
        raise CliError(
            f"{len(gone)} of {len(found.elsewhere)} images are not in {objects.name}: name the place with "
            "--images-from, or leave them out with --without-images"
        )


def _needed(found: Found, without_images: bool) -> int:
    files = sum(size for path, size in found.files.items() if not (without_images and is_image(path)))
    return ROOM * found.expanded + files + (0 if without_images else sum(each.size for each in found.elsewhere))


def _restore(
    place: Place, backup: tuple[Path, Secret | None], found: Found, images: tuple[Objects | None, bool], say: Progress
) -> None:
    where, url = _database(place)
    target = rows.Target(where, place.mark.number)
    target.check()
    os.umask(0o077)
    lock = places.begin(place)
    try:
        seen = _seen(place, found)
        with say.step("files"):
            if not place.whole:
                _end_tokens(place.state)
            _files(place, Reading(*backup), images)
            _configure(place, found)
            if url is not None:
                state_folder.keep_database_url(place.state, None, url)
        with say.step("rows"):
            target.load(iter(Reading(*backup)), found)
            epoch, revision = target.finish(seen[0])
        places.end(place)
        target.close()
    except Exception as error:
        raise rows.told(error) from None
    finally:
        os.close(lock)
    _tell(place, found, (epoch, revision, seen), images[1], say)


def _database(place: Place) -> tuple[Path | str, str | None]:
    """Where the rows go, and the URL to be kept: as for `up`, the environment's; else what the folder has."""
    url = os.environ.pop("CUMULET_DATABASE_URL", None)
    file = place.state / "db" / "cumulet.sqlite"
    if url:
        check_database_url(url)
        return url, url
    if place.whole:
        return file, None
    return Settings(state=place.state).database, None


def _seen(place: Place, found: Found) -> tuple[int, int]:
    """The newest epoch and revision that this folder knows to have been: of its secrets, and of its node."""
    newest = [(0, 0)]
    for name in ("secrets/cloud", "node/cloud.json"):
        try:
            file = place.state / name
            kept = json.loads(read_private(file.parent, file.name, 65536)[1])
            cloud = str(kept.get("id") or kept.get("cloud_id"))
            if found.cloud is not None and cloud == found.cloud[0]:
                newest.append((int(kept["epoch"]), int(kept.get("revision") or 0)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return max(newest)


def _end_tokens(state: Path) -> None:
    """Tokens end with their keys: which of them were revoked since the backup is no longer known."""
    for name in TOKEN_KEYS:
        if (state / "secrets" / name).is_dir():
            trees.remove(state / "secrets" / name)


def _files(place: Place, reading: Reading, images: tuple[Objects | None, bool]) -> None:
    """All files, and the images that lie elsewhere. What is there stays."""
    objects, without = images
    writing: Writing | None = None
    for record in reading:
        if isinstance(record, FileStart):
            left_out = without and is_image(record.path)
            writing = None if left_out else Writing(place, record.path, readable=record.open, reader=record.reader)
        elif isinstance(record, Bytes) and writing is not None:
            writing.write(record.data)
        elif isinstance(record, FileEnd) and writing is not None:
            writing.close()
        elif isinstance(record, Elsewhere) and objects is not None:
            own = record.path.startswith("images/")  # which `up` hands over; another store's folder it does not know
            writing = Writing(place, record.path, reader="" if own else "owner")
            _fetch(writing, objects.get(record.sha256, record.size))


def _fetch(writing: Writing, pieces: Iterator[bytes]) -> None:
    if not writing.skipped:
        for data in pieces:
            writing.write(data)
    writing.close()


def _configure(place: Place, found: Found) -> None:
    """Simulated hosts keep their node's name on another machine: they are its, and no other node may have them."""
    settings = Settings.load(place.state)
    if place.whole and settings.simulated is not None and settings.node_name != found.head.node:
        dataclasses.replace(settings, hostname=found.head.node).save()


def _tell(
    place: Place, found: Found, came: tuple[int, int, tuple[int, int]], without_images: bool, say: Progress
) -> None:
    epoch, revision, seen = came
    state = place.state
    say.say(f"{state} holds the cloud as it was at {iso(found.head.made_at)}. Start it: {hints.command('up', state)}")
    if epoch:
        say.say(f"It begins epoch {epoch} at revision {revision}: every node is told everything anew.")
    if seen > ((found.cloud or ("", 0))[1], found.revision):
        say.say(
            f"Its node has seen epoch {seen[0]}, revision {seen[1]}, and the backup ends at revision {found.revision}: "
            "guests that were made since stay as they are; cumulet adopt makes rows of them."
        )
    say.say(
        "What was changed after the backup is not in it: servers that were deleted since come back, with a fresh disk. "
        "Guests that were made since stay on their hosts until cumulet adopt or cumulet forget."
    )
    if not found.head.simulated and place.whole:
        say.say("Guests' disks are in no backup: where a host has lost them its servers start from their images again.")
    say.say("Tokens that were issued and console sessions are over; everybody logs in again.")
    if not found.head.secrets:
        say.say("The backup has no secrets: passwords in secrets/ are new, and cumulet admin password sets admin's.")
    if without_images or found.head.images == "left out":
        say.say("The bytes of images are not in it: images whose bytes are not in the folder cannot be read.")
