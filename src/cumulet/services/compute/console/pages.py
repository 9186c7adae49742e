"""noVNC's files, from the folder where its package puts them. Must never serve anything outside it."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from cumulet.http import Reply
from cumulet.http.faults import NotFound

_START = ("vnc_auto.html", "vnc_lite.html", "vnc.html")
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
_MISSING = (
    "<!DOCTYPE html><html><head><title>Console</title></head><body><h1>noVNC is not installed</h1>"
    "<p>The console's pages come from the Debian package <code>novnc</code>. Install it on the controller, "
    "then load this page again.</p></body></html>"
)


def page(folder: Path, path: str) -> Reply:
    """The file at `path` of `folder`. Raises 404; never redirects. Without the folder a page says what to install."""
    if not folder.is_dir():
        return Reply(_MISSING, 503, _HEADERS, "text/html; charset=UTF-8")
    if path in ("", *_START):
        names = (path, *_START) if path else _START
        path = next((name for name in names if (folder / name).is_file()), "")
    found = _inside(folder, path)
    if found is None:
        raise NotFound("The resource could not be found.")
    kind = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=UTF-8"
    return Reply(found.read_bytes(), headers=_HEADERS, content_type=kind)


def _inside(folder: Path, path: str) -> Path | None:
    """The file that a request's path names, when it is one below `folder`."""
    parts = path.split("/")
    if not path or "\x00" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
        return None
    try:
        if not folder.joinpath(*parts[:-1]).resolve().is_relative_to(folder.resolve()):
            return None
        found = folder.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    # Debian links single files of noVNC to other packages' folders; folders are never followed out.
    return found if found.is_file() else None
