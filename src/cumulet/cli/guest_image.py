"""The image that the first user finds, and `cumulet image build`: images made from Debian packages on
this machine.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import Settings

SIMULATED_BYTES = 1024 * 1024


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("image", help="build guest images from Debian packages", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="build")
    build = actions.add_parser("build", help="build an image")
    build.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build the tiny image (or find it) in the state folder's cache and print its path."""
    settings = Settings.resolve(args.state, {}, {})
    progress = Progress()
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    with progress.step("build the tiny image"):
        path = tiny(settings, progress.detail)
    print(path)
    return 0


def for_first_user(settings: Settings, progress: Progress) -> Path | None:
    """The image's file: real, or a stand-in that simulated hosts do not look into.

    None, with a word why, if it fails.
    """
    if settings.simulated is not None:
        path = settings.cache_dir / "simulated.raw"
        path.write_bytes(bytes(SIMULATED_BYTES))
        return path
    # Whatever goes wrong in building an image, the rest of the cloud is of use without it.
    try:
        return tiny(settings, lambda text: None)
    except Exception as error:
        progress.say(f"  ! no image was built: {error}. Everything else works; `cumulet up` tries again.")
        return None


def tiny(settings: Settings, say: Callable[[str], None]) -> Path:
    """The tiny image from the cache, built when it is not there."""
    try:
        module = importlib.import_module("cumulet.node.imagebuild")
    except ModuleNotFoundError as error:
        raise CliError(f"this Cumulet cannot build images: {error}") from error
    cached_tiny: Callable[[Path, Callable[[str], None]], Path] = module.cached_tiny
    return cached_tiny(settings.cache_dir, say)
