"""`cumulet backup FILE`: rows, secrets, what an operator wrote, and journals in one sealed file, while the cloud runs.

FILE is written aside, read back, and put in place when all is right: a backup that fails leaves the old one. When FILE
is a folder the file gets the time as its name, and --keep N removes older ones. Guests' disks are not in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

FILES = {
    "passphrase": ("CUMULET_BACKUP_PASSPHRASE_FILE", "its first line is the passphrase"),
    "key": ("CUMULET_BACKUP_KEY_FILE", "32 random bytes or more"),
}
"""Files that open a seal: the variable that may name one, and what it holds."""


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("backup", help="save the cloud into a file, also while it runs", description=__doc__)
    parser.add_argument("file", type=path, metavar="FILE", help="file to write, or a folder for many")
    add_secrets(parser)
    parser.add_argument(
        "--without-secrets", action="store_true", help="no seal and no secrets; rows with password hashes are readable"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--with-images", action="store_true", help="images, too, inside the file")
    where.add_argument("--images-to", metavar="DIR|s3://BUCKET/PREFIX", help="images, too, each once, beside the file")
    parser.add_argument("--keep", type=int, metavar="N", help="in a folder: remove all but the newest N backups")
    parser.add_argument("--list", action="store_true", help="only show what is in FILE")
    parser.set_defaults(run=run)


def add_secrets(parser: Any) -> None:
    """Declare the flags that name what a backup is sealed with."""
    for kind, (variable, what) in FILES.items():
        flag = f"--{kind}-file"
        parser.add_argument(flag, type=path, metavar="FILE", help=f"{what}; or ${variable} names the file")


def path(text: str) -> Path:
    """A path from the command line."""
    return Path(text).expanduser().absolute()


def run(args: argparse.Namespace) -> int:
    """0 when all is saved, 4 when something was left out that was to be saved."""
    from cumulet.cli.backups import making  # imported here: no other verb needs the database's

    return making.run(args)
