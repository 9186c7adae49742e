"""Bringing a cloud's database to this version, before `up` starts anything on it.

``python -m cumulet.cli.upgrade STATE`` does it, as the user whom the database belongs to, and says what it does, a
sentence a line. `up` runs it when the state folder was last started by another version; a cloud whose database was
changed in between is upgraded by its controller, which says the same in its log.
"""

from __future__ import annotations

import dataclasses
import sys
from contextlib import suppress
from pathlib import Path

import cumulet
from cumulet import files
from cumulet.cli import processes
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import FILE_NAME, Settings

STARTED = "started-by"
"""The file of the state folder that says which version started the cloud last."""


def this() -> str:
    """The version that runs."""
    return cumulet.__version__


def running(settings: Settings) -> str | None:
    """The version that started the cloud, when it is another one than this."""
    found = _started(settings)
    return found if found != this() else None


def keep_options(settings: Settings) -> None:
    """Keep ``cumulet.toml`` as another version wrote it, for the way back: that one refuses options that it does not
    know."""
    file = settings.state / FILE_NAME
    copy = file.with_name(f"{FILE_NAME}.before-{this()}")
    if running(settings) is not None and not copy.exists():
        with suppress(FileNotFoundError):
            files.put(copy, file.read_bytes(), mode=0o644)


def ensure(settings: Settings, controller: processes.ChildSpec, progress: Progress) -> None:
    """Upgrade the database if another version started the cloud last. Raises CliError; nothing has changed then.

    What is written down last is what makes it happen once: whoever is killed before does it again, which does nothing
    that is done.
    """
    stamp = settings.state / STARTED
    made = isinstance(settings.database, str) or settings.database.exists()
    if made and running(settings) is not None:
        _run(settings, controller, progress)
    if not stamp.exists() or running(settings) is not None:
        files.put(stamp, f"{this()}\n", mode=0o644)


def _started(settings: Settings) -> str:
    try:
        return (settings.state / STARTED).read_text().strip()[:64]
    except FileNotFoundError:
        return "0.1.0"


def _run(settings: Settings, controller: processes.ChildSpec, progress: Progress) -> None:
    words = [controller.argv[0], "-m", "cumulet.cli.upgrade", str(settings.state)]
    process = processes.begin(settings, dataclasses.replace(controller, argv=words))
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            progress.say(line.rstrip())
        wrong = process.stderr.read()
    if process.returncode != 0:
        raise CliError(wrong.strip() or f"the upgrade of the database ended with {process.returncode}")


def main(argv: list[str]) -> int:
    """Exit status 2 with a sentence when the database cannot be upgraded."""
    from cumulet.cli import controller
    from cumulet.db import Database
    from cumulet.db.schema import SchemaError, prepare

    settings = Settings.load(Path(argv[0]))
    controller.assemblies()  # all services, and so all tables
    db = Database(settings.database)
    try:
        prepare(db, say=lambda line: print(line, flush=True))
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
