"""`cumulet docs DIR`: the guides and a reference of every operation as a site that a browser opens, with its pages in
Markdown beside it and an OpenAPI document per service."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cumulet import __version__
from cumulet.cli.errors import CliError

if TYPE_CHECKING:
    from cumulet.http import Service

_GUIDES = {"Start": "*.md", "Guides": "docs/**/*", "Decisions": "decisions/*.md"}
"""Section of the site → where a checkout has its pages, and what they lead to."""


def add(verbs: Any) -> None:
    """Declare the verb."""
    about = "write the guides and the API reference as a site, and OpenAPI documents"
    parser = verbs.add_parser("docs", help=about, description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write; made when it is missing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write them; prints how many pages there are."""
    try:
        count = write(args.folder)
    except OSError as error:
        raise CliError(f"cannot write to {args.folder}: {error.strerror}") from error
    print(f"{count} pages and the services' openapi.json are in {args.folder}: open {args.folder / 'index.html'}")
    return 0


def write(folder: Path) -> int:
    """``DIR/<service>/openapi.json`` and one Markdown file per operation, ``absent.json`` and ``absent.md`` with what
    there is not, the guides of a checkout, and all of it as HTML; how many pages there are. Raises OSError."""
    from cumulet.cli import site
    from cumulet.cli.absent import absent, page
    from cumulet.cli.controller import declared

    services = declared()
    missing = absent(services)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "absent.json").write_text(json.dumps(missing, indent=1) + "\n", encoding="utf-8")
    (folder / "absent.md").write_text(page(missing), encoding="utf-8")
    guides = _guides(folder)
    for name, service in services.items():
        _reference(folder / name, service)
    reference = [*(folder / name / "index.md" for name in services), folder / "absent.md"]
    return site.write(folder, {**guides, "Reference": reference})


def _reference(folder: Path, service: Service) -> None:
    """The pages of one service, and its document."""
    from cumulet.http.openapi import document
    from cumulet.http.reference import pages

    folder.mkdir(parents=True, exist_ok=True)
    found = document(service, __version__)
    (folder / "openapi.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for file, text in pages(found):
        (folder / file).write_text(text, encoding="utf-8")


def _guides(folder: Path) -> dict[str, list[Path]]:
    """The checkout's own pages, copied to `folder`: section → files. Nothing where there is no checkout."""
    checkout = Path(os.environ.get("CUMULET_ROOT", Path(__file__).resolve().parents[3]))
    found: dict[str, list[Path]] = {}
    if not (checkout / "docs").is_dir():
        return found
    for section, pattern in _GUIDES.items():
        names = [path.relative_to(checkout) for path in sorted(checkout.glob(pattern)) if path.is_file()]
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (folder / name).resolve() != (checkout / name).resolve():
                shutil.copyfile(checkout / name, folder / name)
        found[section] = [folder / name for name in names if name.suffix == ".md"]
    return found
