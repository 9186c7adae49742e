"""What is in a backup, for people."""

from __future__ import annotations

from pathlib import Path

from cumulet.cli.backups.contents import is_image
from cumulet.cli.backups.reading import Found
from cumulet.cli.terminal import plain
from cumulet.db import iso

_TOLD = {
    "compute_servers": "servers",
    "network_ports": "ports",
    "image_images": "images",
    "identity_users": "users",
    "identity_projects": "projects",
}


def as_text(file: Path, found: Found) -> str:
    """A page: where it is from, what is in it, what is not."""
    head = found.head
    hosts = "simulated hosts" if head.simulated else f"node {plain(head.node)}"
    lines = [
        f"{file}: whole and right",
        f"  made            {iso(head.made_at)} by Cumulet {plain(head.version)} (schema {plain(head.schema)})",
        f"  of              {plain(head.state)} ({hosts}, {plain(head.database)})",
    ]
    if found.cloud is not None:
        lines.append(f"  cloud           {plain(found.cloud[0])}, epoch {found.cloud[1]}, revision {found.revision}")
    counts = ", ".join(f"{found.tables[table]} {word}" for table, word in _TOLD.items() if table in found.tables)
    lines.append(f"  rows            {found.rows} in {len(found.tables)} tables: {counts}, ended ones included")
    files = [path for path in found.files if not is_image(path)]
    lines.append(f"  files           {len(files)}: {', '.join(map(plain, _tops(files)))}")
    inside = [size for path, size in found.files.items() if is_image(path)]
    if inside:
        lines.append(f"  images          {len(inside)}, {sum(inside) / 1e6:.1f} MB, inside")
    elif found.elsewhere:
        size = sum(each.size for each in found.elsewhere)
        lines.append(f"  images          {len(found.elsewhere)}, {size / 1e6:.1f} MB, in {plain(head.images)}")
    lines.append(f"  not in it       {', '.join(_missing(found))}")
    return "\n".join([*lines, *(f"  left out        {plain(text)}" for text in found.left_out)])


def _tops(files: list[str]) -> list[str]:
    """Names of files, and of folders with what they hold."""
    tops: dict[str, int] = {}
    for path in files:
        top = path.partition("/")[0]
        tops[top] = tops.get(top, 0) + ("/" in path)
    return [f"{top}/ ({count})" if count else top for top, count in tops.items()]


def _missing(found: Found) -> list[str]:
    words = ["guests' disks", "tokens that were issued"]
    if not found.head.secrets:
        words.append("secrets")
    if found.head.images == "left out":
        words.append("the bytes of images")
    return words
