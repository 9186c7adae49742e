"""`cumulet docs DIR`: OpenAPI documents of all services, and a page of reference per operation, into a folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cumulet import __version__
from cumulet.cli.errors import CliError


def add(verbs: Any) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("docs", help="write OpenAPI documents and the API reference", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write; made when it is missing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write them; prints how many pages there are."""
    try:
        count = write(args.folder)
    except OSError as error:
        raise CliError(f"cannot write to {args.folder}: {error.strerror}") from error
    print(f"{count} pages and the services' openapi.json are in {args.folder}")
    return 0


def write(folder: Path) -> int:
    """``DIR/<service>/openapi.json`` and one Markdown file per operation, ``absent.json`` and ``absent.md`` with what
    there is not; how many Markdown files."""
    from cumulet.cli.absent import absent, page
    from cumulet.cli.controller import declared
    from cumulet.http.openapi import document
    from cumulet.http.reference import pages

    services = declared()
    missing = absent(services)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "absent.json").write_text(json.dumps(missing, indent=1) + "\n", encoding="utf-8")
    (folder / "absent.md").write_text(page(missing), encoding="utf-8")
    count = 1
    for name, service in services.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        found = document(service, __version__)
        (place / "openapi.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        for file, text in pages(found):
            (place / file).write_text(text, encoding="utf-8")
            count += file != "index.md"
    return count
