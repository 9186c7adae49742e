"""Fetches Debian packages with apt and unpacks them into a folder.

Never installs anything on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from cumulet.node.imagebuild.commands import ImageBuildError, run

_URI = re.compile(r"^'[^']+' (?P<file>\S+) (?P<size>\d+)", re.MULTILINE)


class Deb(Struct, frozen=True):
    """One package file as the archive offers it now: its name holds the version; size in bytes."""

    file: str
    size: int

    @property
    def package(self) -> str:
        """The package's name."""
        return self.file.split("_", 1)[0]


def kernel_package() -> str:
    """Name of the package that holds the current Debian cloud kernel."""
    said = run(["apt-cache", "depends", "--no-recommends", "--no-suggests", "linux-image-cloud-amd64"])
    found = re.search(r"Depends: (linux-image-\S+)", said)
    if found is None:
        raise ImageBuildError("no package linux-image-cloud-amd64 in the package lists; run apt-get update")
    return found.group(1)


def offered(packages: Iterable[str]) -> list[Deb]:
    """The files that `fetch` would download for these packages; asks the local package lists only."""
    wanted = sorted(set(packages))
    said = run(["apt-get", "download", "--print-uris", *wanted])
    debs = [Deb(match["file"], int(match["size"])) for match in _URI.finditer(said)]
    missing = set(wanted) - {deb.package for deb in debs}
    if missing:
        raise ImageBuildError(f"not in the package lists: {', '.join(sorted(missing))}; run apt-get update")
    return debs


def fetch(packages: Iterable[str], folder: Path) -> dict[str, Path]:
    """Download the packages into `folder`, keeping those that are there; returns name -> file.

    apt checks signatures and hashes of what it downloads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    debs = offered(packages)
    lacking = [deb for deb in debs if not _whole(folder / deb.file, deb.size)]
    for deb in lacking:
        (folder / deb.file).unlink(missing_ok=True)
    if lacking:
        names = [deb.package for deb in lacking]
        options = ["-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"]
        run(["apt-get", *options, "download", *names], cwd=folder, timeout=1200)
    return {deb.package: folder / deb.file for deb in debs}


def unpack(deb: Path, into: Path) -> None:
    """Unpack the files of one package; runs none of its scripts."""
    into.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "-x", str(deb), str(into)])


def _whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
