"""The image that the first user finds, and `cumulet image build`: images made from Debian packages on
this machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cumulet.cli import hints, packages
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import Settings

SIMULATED_BYTES = 1024 * 1024


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    from cumulet.node import imagebuild  # imported here, and below: `up` of simulated hosts builds nothing

    parser = verbs.add_parser("image", help="build guest images from Debian packages", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="build")
    build = actions.add_parser("build", help="build an image")
    build.add_argument("kind", nargs="?", choices=imagebuild.KINDS, default="tiny", help="which (default: tiny)")
    build.add_argument("--output", type=Path, metavar="FILE", help="where to (default: ./cumulet-KIND.qcow2)")
    build.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build an image, print its path, and say how it is uploaded."""
    import tempfile

    from cumulet.node import imagebuild

    out: Path = (args.output or Path(f"cumulet-{args.kind}.qcow2")).absolute()
    if out.exists():
        raise CliError(f"{out} is there already")
    progress = Progress()
    packages.ensure(progress, imagebuild.packages_needed(args.kind))
    with progress.step(f"build the {args.kind} image"), tempfile.TemporaryDirectory(prefix="cumulet-") as work:
        try:
            imagebuild.build(args.kind, out, Path(work), progress.detail)
        except imagebuild.ImageBuildError as error:
            raise CliError(f"the image was not built: {error}") from error
    print(out)
    wants = imagebuild.properties(args.kind)
    memory, disk = wants["min_ram"], wants["min_disk"]
    progress.say(
        f"Upload it: {hints.name()} openstack image create --public --disk-format qcow2 --min-ram {memory} "
        f"--min-disk {disk} --file {out} NAME"
    )
    return 0


def for_first_user(settings: Settings, progress: Progress) -> Path | None:
    """The image's file: real, or a stand-in that simulated hosts do not look into.

    None, with a word why, if it fails.
    """
    if settings.simulated is not None:
        path = settings.cache_dir / "simulated.raw"
        path.write_bytes(bytes(SIMULATED_BYTES))
        return path
    if settings.first_image:
        return _given(settings, progress)
    from cumulet.node import imagebuild

    # Whatever goes wrong in building an image, the rest of the cloud is of use without it.
    try:
        return imagebuild.cached_tiny(settings.cache_dir, lambda text: None)
    except Exception as error:
        progress.say(f"  ! no image was built: {error}. Everything else works; `{hints.name()} up` tries again.")
        return None


def _given(settings: Settings, progress: Progress) -> Path:
    """The image that the options name, fetched first when it is a URL. Raises CliError."""
    import shutil
    import urllib.request

    where = settings.first_image
    if "://" not in where:
        path = Path(where)
        if not path.is_file():
            raise CliError(f"first_image: there is no file {path}")
        return path
    if not where.startswith(("http://", "https://")):
        raise CliError(f"first_image: {where} is neither a file nor an http(s) URL")
    path = settings.cache_dir / "first-image"
    draft = path.with_suffix(".part")
    try:
        with urllib.request.urlopen(where, timeout=60) as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except OSError as error:
        raise CliError(f"first_image: {where} could not be fetched: {error}") from error
    progress.detail(f"fetched {where}")
    return draft.replace(path)
