"""Whose rows a controller has found: those that its state folder knows, or others.

The file ``secrets/cloud`` says of which cloud, epoch and run the rows were at the last start. An empty database in a
folder that is in use, another cloud's, or an older copy of the right one is found out here, before anything is done
by it: the cloud is *estranged* until the right database is back or an operator decides (``docs/recovery.md``).
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cumulet import files
from cumulet.config import Settings
from cumulet.db import Database
from cumulet.desired.clouds import Cloud, Seen
from cumulet.fleet import door as fleet
from cumulet.fleet.service import Standing
from cumulet.services.image import door as image

log = logging.getLogger("cumulet.controller")

FILE = "cloud"


def find(settings: Settings, db: Database) -> Standing:
    """A controller starts: whose rows these are is written into them, and compared with the file."""
    known = _read(settings.secrets_dir / FILE)
    with db.transaction() as tx:
        cloud, empty = fleet.begin_run(tx)
        past = known is None or fleet.knows(tx, known)
        newest = fleet.newest_revision(tx)

    def keep(whose: Cloud) -> None:
        _write(settings.secrets_dir / FILE, whose, newest)

    why = _why(settings, cloud, known, empty=empty, past=past)
    if why is None:
        keep(cloud)
    else:
        log.error("%s", why)
    return Standing(why, keep)


def _why(settings: Settings, cloud: Cloud, known: Seen | None, *, empty: bool, past: bool) -> str | None:
    """What is wrong with the rows; `status` adds what can be done."""
    if known is None:
        if empty and _in_use(settings):
            return f"{settings.state} has guests or images, and its database is empty"
        marked = image.marked_by(settings.images_dir)
        if marked and cloud.id not in marked:
            return f"the images in {settings.state} are of cloud {min(marked)}, and its database of cloud {cloud.id}"
        return None
    if empty and cloud.id != known.cloud_id:
        return f"{settings.state} is of cloud {known.cloud_id}, and its database is empty"
    if cloud.id != known.cloud_id:
        return f"{settings.state} is of cloud {known.cloud_id}, and its database of cloud {cloud.id}"
    if not past:
        return f"the database is older than what {settings.state} has seen of this cloud"
    return None


def _in_use(settings: Settings) -> bool:
    """Whether there is something in the folder that only rows could have asked for."""
    node = settings.node_dir
    return any(
        _any_file(folder) for folder in (settings.images_dir, node / "journal", node / "world", node / "instances")
    )


def _any_file(folder: Path) -> bool:
    with suppress(OSError):  # what is closed to the controller it cannot judge
        return any(not name.startswith(".") for place, _, files in os.walk(folder) for name in files)
    return False


def _read(file: Path) -> Seen | None:
    """What the file says; None when it is lost or torn: then the rows are believed."""
    try:
        found: Any = json.loads(file.read_bytes())
        return Seen(
            cloud_id=str(found["id"]),
            epoch=int(found["epoch"]),
            revision=int(found.get("revision", 0)),
            run=str(found.get("run", "")),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError) as error:
        log.error("%s cannot be read: %s", file, error)
        return None


def _write(file: Path, cloud: Cloud, newest: int) -> None:
    text = {"id": cloud.id, "epoch": cloud.epoch, "run": cloud.run, "revision": newest}
    files.put(file, json.dumps(text), sync=True)
