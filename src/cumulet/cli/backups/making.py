"""Making a backup: written aside, read back, put in place."""

from __future__ import annotations

import argparse
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cumulet.cli.backups import contents, listing, sealing, secrets
from cumulet.cli.backups.contents import Wanted
from cumulet.cli.backups.objects import objects_at
from cumulet.cli.backups.reading import Found, Reading
from cumulet.cli.backups.records import compressed
from cumulet.cli.backups.sealing import SealedWriter, Secret
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.cli.terminal import plain
from cumulet.config import Settings

INCOMPLETE = 4
"""Exit status of a backup that was made, but without something that was to be in it."""
NAMED = re.compile(r"cumulet-\d{8}T\d{6}Z\.backup")
_SHOW_S = 0.25


def run(args: argparse.Namespace) -> int:
    """0 when all is saved, 4 when something was left out that was to be saved."""
    if args.list:
        print(listing.as_text(args.file, look(args, args.file)))
        return 0
    settings = Settings.load(args.state)
    target = _target(args)
    _require_outside(settings.state, target.parent, "FILE")
    if args.images_to is not None and not args.images_to.startswith("s3://"):
        if not args.images_to:
            raise CliError("--images-to names no place")
        _require_outside(settings.state, Path(args.images_to).expanduser().absolute(), "--images-to")
    secret = None if args.without_secrets else secrets.to_seal(args)
    if secret is None and secrets.given(args) is not None:
        raise CliError("--without-secrets makes a file without a seal: it takes no passphrase and no key")
    objects = objects_at(args.images_to) if args.images_to is not None else None
    wanted = Wanted(secrets=secret is not None, inside=args.with_images, objects=objects)
    progress = Progress()
    found = save(settings, wanted, (target, secret), progress)
    _tell(target, wanted, found, progress)
    if args.keep is not None:
        _remove_older(target.parent, args.keep, progress)
    return INCOMPLETE if wanted.left_out else 0


def look(args: argparse.Namespace, file: Path) -> Found:
    """Read the backup `file` through, with the secret that is given or asked. Raises CliError."""
    return Reading(file, secrets.to_open(args, sealed_how(file), str(file))).look()


def sealed_how(file: Path) -> str:
    """``passphrase``, ``key`` or ``none``. Raises CliError for what is no backup."""
    try:
        with file.open("rb") as opened:
            return str(sealing.seal_of(opened, str(file))["seal"])
    except OSError as error:
        raise CliError(f"cannot read {file}: {error.strerror}") from None


def _target(args: argparse.Namespace) -> Path:
    file: Path = args.file
    if args.keep is not None and (args.keep < 1 or not file.is_dir()):
        raise CliError("--keep N wants a folder for FILE, and N of 1 or more")
    if file.is_dir():
        return file / time.strftime("cumulet-%Y%m%dT%H%M%SZ.backup", time.gmtime())
    if not file.parent.is_dir():
        raise CliError(f"there is no folder {file.parent}")
    if file.exists() and not stat.S_ISREG(file.lstat().st_mode):
        raise CliError(f"{file} is no file that a backup may replace")
    return file


def _require_outside(state: Path, folder: Path, what: str) -> None:
    """Raise CliError for a place that goes with the cloud, and that the next backup would take for something of it."""
    if folder.resolve().is_relative_to(state.resolve()):
        raise CliError(
            f"{what} is in {state}, which a backup shall outlive: name a place outside, best on another disk"
        )


def save(settings: Settings, wanted: Wanted, into: tuple[Path, Secret | None], progress: Progress) -> Found:
    """Write the backup beside its place, read it back, put it in place; what was read. Raises CliError, and what was
    there before is still there then."""
    target, secret = into
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with progress.step("write"):
            _write(draft, secret, _shown(contents.written(settings, wanted), progress))
        with progress.step("read it back"):
            found = Reading(draft, secret).look()
        if found.tables != wanted.rows:
            raise CliError("what was read back is not what was written: is the disk well?")
        draft.replace(target)
        _sync(target.parent)
        return found
    except OSError as error:
        raise CliError(f"cannot write {target}: {error.strerror}. The backup was not made") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _write(draft: Path, secret: Secret | None, stream: Iterator[bytes]) -> None:
    draft.unlink(missing_ok=True)
    out = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(out, "wb") as file:
        writer = SealedWriter(file, secret)
        for data in compressed(stream):
            writer.write(data)
        writer.close()
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _shown(stream: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    """The stream; how far it is, on a terminal."""
    total, next_at = 0, time.monotonic() + _SHOW_S
    for data in stream:
        total += len(data)
        if time.monotonic() >= next_at:
            progress.detail(f"{total / 1e6:.0f} MB")
            next_at = time.monotonic() + _SHOW_S
        yield data


def _tell(target: Path, wanted: Wanted, found: Found, progress: Progress) -> None:
    size = target.stat().st_size
    images = {"left out": "without images", "inside": f"{wanted.images} images"}.get(
        wanted.images_word, f"{wanted.images} images in {wanted.images_word} ({wanted.copied / 1e6:.1f} MB new)"
    )
    progress.say(
        f"{target}: {found.rows} rows, {wanted.files} files, {images}; {size / 1e6:.1f} MB, read back and right."
    )
    if not wanted.secrets:
        progress.say(
            "It has no seal: whoever reads it reads all rows, with the hashes of passwords. The secrets are not in it: "
            "what they encrypt (EC2 and TOTP credentials) cannot be read after a restore without them."
        )
    far, stores = wanted.elsewhere()
    if far:
        progress.say(f"{far} images are not in it, as they are in other stores: {', '.join(map(plain, stores))}.")
    for sentence in wanted.left_out:
        progress.say(f"Left out: {sentence}.")


def _remove_older(folder: Path, keep: int, progress: Progress) -> None:
    """Only files that bear such a name; the newest is the one that was made just now."""
    named = sorted(path for path in folder.iterdir() if NAMED.fullmatch(path.name) and path.is_file())
    for path in named[:-keep]:
        try:
            path.unlink()
        except OSError as error:
            raise CliError(f"the backup is made, but {path} cannot be removed: {error.strerror}") from None
        progress.say(f"Removed {path.name}.")
