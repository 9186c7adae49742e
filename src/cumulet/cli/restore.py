"""`cumulet restore FILE`: a cloud out of a backup, into an empty state folder, of this machine or another.

The whole FILE is looked at before anything is written. CUMULET_DATABASE_URL names a database of PostgreSQL to restore
into, as for `up`; without it the rows go into a file of the state folder, wherever they were before. Where nodes and
images are still there and only the rows are lost, move the folder `db` away and restore: what is there stays.
"""

from __future__ import annotations

import argparse
from typing import Any

from cumulet.cli import backup


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("restore", help="make a cloud out of a backup", description=__doc__)
    parser.add_argument("file", type=backup.path, metavar="FILE", help="a file that `cumulet backup` wrote")
    backup.add_secrets(parser)
    parser.add_argument("--images-from", metavar="DIR|s3://BUCKET/PREFIX", help="where --images-to left the images")
    parser.add_argument("--without-images", action="store_true", help="restore without the bytes of images")
    parser.add_argument("--check", action="store_true", help="only look whether FILE is whole, and show what is in it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when the cloud is there, to be started with `up`."""
    from cumulet.cli.backups import restoring  # imported here: no other verb needs the database's

    return restoring.run(args)
