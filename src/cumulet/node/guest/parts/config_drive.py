"""The config drive: an ISO 9660 image labelled `config-2` made from a mapping of path to text.

Must never follow a path out of the drive.
"""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path, PurePosixPath

from cumulet.desired.guest import BINARY
from cumulet.node.guest import bounded
from cumulet.node.guest.errors import NO_SPACE, GuestError, from_os_error
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest
from cumulet.node.guest.parts.part import Part
from cumulet.node.users import User, give

NAME = "disk.config"
_BOUNDS = bounded.Bounds(cpu_s=20, wall_s=30, file_bytes=256 << 20, strange=False)


class ConfigDrive(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Write it anew before each start, when the guest has one."""
        files = guest.spec.config_drive
        if guest.building and files is not None:
            found.drive = ensure(guest.folder, files, found.user)

    def absent(self, guest: LocalGuest) -> None:
        """Remove it."""
        (guest.folder / NAME).unlink(missing_ok=True)


def ensure(folder: Path, files: dict[str, str], user: User | None = None) -> Path:
    """Write `folder`/disk.config anew from `files`, as `user`, whom it belongs to; its path. Raises GuestError.

    To be called before a start only: the content may have changed since the last one.
    """
    drive = folder / NAME
    fresh = folder / f".{NAME}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".seed-", dir=folder) as tree:
            for name, text in files.items():
                _write(Path(tree), name, text)
            fresh.touch()
            if user is not None:
                give(fresh, user)
                for each in (Path(tree), *Path(tree).rglob("*")):
                    os.chown(each, user.uid, user.uid, follow_symlinks=False)
            command = ["genisoimage", "-quiet", "-J", "-r", "-V", "config-2", "-input-charset", "utf-8"]
            bounded.run([*command, "-o", str(fresh), tree], _BOUNDS, user)
        os.chmod(fresh, 0o600)
        fresh.rename(drive)
    except bounded.CommandFailed as failed:
        full = "No space left" in failed.text
        raise GuestError(NO_SPACE if full else "The config drive could not be made.", str(failed)) from failed
    except OSError as error:
        raise from_os_error(error, str(drive)) from error
    finally:
        fresh.unlink(missing_ok=True)
    return drive


def _write(tree: Path, name: str, text: str) -> None:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts or not name.isprintable():
        raise GuestError("The config drive has a file with an invalid name.", repr(name[:200]))
    target = tree / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if text.startswith(BINARY):
        target.write_bytes(base64.b64decode(text.removeprefix(BINARY)))
    else:
        target.write_text(text)
