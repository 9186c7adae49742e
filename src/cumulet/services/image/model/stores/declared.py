"""What the operator declares about images: ``image.toml`` in the state folder, read once when the controller starts.

Tables ``stores.<name>`` (with ``type``), ``import``, ``cache`` and ``lost``, and ``default_store``: the example in
docs/images.md is one that the tests read. A bucket's keys are in ``secrets/image_store_<name>`` (mode 0600): two lines,
the access key and the secret key. A folder that is not absolute lies in the state folder, and moves with it. The
folder ``images`` of the state folder is always there as the store `file`.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.stores.contract import ImageStore
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.model.stores.http import HttpStore
from cumulet.services.image.model.stores.s3 import S3Access, S3Store
from cumulet.services.image.model.stores.set import Stores

FILE_NAME = "image.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_COMMON = {"type": str, "description": str, "weight": int}
_KINDS: dict[str, dict[str, type]] = {
    "file": {"folder": str, "shared": bool},
    "s3": {"endpoint": str, "bucket": str, "region": str, "prefix": str},
    "http": {},
}
_TOP = {"default_store": str, "stores": dict, "import": dict, "cache": dict, "lost": dict}
_IMPORT = {"allowed_hosts": list, "ports": list, "max_gib": int}


class DeclarationError(ValueError):
    """What is declared cannot be used. The text names the file and the entry."""


class Declared(Struct, frozen=True):
    """Stores and rules as declared. `lost_days`: for how long files that no row names are kept."""

    stores: Stores
    rules: Rules
    cache_bytes: int
    lost_days: int


def declared(folder: Path, state: Path, secrets: Path) -> Declared:
    """Read the declaration of the cloud in `state`; `folder` is the store that is always there. Raises
    DeclarationError."""
    path = state / FILE_NAME
    found = _read(path)
    rules = _rules(path, _entry(path, "import", found.get("import", {}), _IMPORT))
    made: list[ImageStore] = []
    tables = found.get("stores", {})
    if "file" not in tables:
        made.append(FileStore("file", folder))
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or name.startswith("os_glance_") or name in ("staging", "cache"):
            raise DeclarationError(f"{path}: stores.{name} is no name for a store")
        made.append(_store(path, name, table, rules, (folder, secrets)))
    default = found.get("default_store", "file")
    stores = {store.id: store for store in made}
    if default not in stores or stores[default].read_only:
        raise DeclarationError(f"{path}: default_store names no store that takes bytes: {default!r}")
    cache = _gib(path, "cache", _entry(path, "cache", found.get("cache", {}), {"max_gib": int}), 10)
    days = _entry(path, "lost", found.get("lost", {}), {"days": int}).get("days", 7)
    if not 1 <= days <= 36500:
        raise DeclarationError(f"{path}: lost.days must be between 1 and 36500")
    _require_apart(path, folder, [store for store in made if isinstance(store, FileStore)])
    return Declared(Stores(made, default), rules, cache, days)


def _require_apart(path: Path, folder: Path, stores: Sequence[FileStore]) -> None:
    """Raise DeclarationError when two stores have one folder, by whatever name, or one lies among another's lost
    files. What one of them does not know would be the other's."""
    near = [FileStore(part, folder.with_name(f"{folder.name}-{part}")) for part in ("staging", "cache")]
    taken: dict[tuple[int, int], str] = {}
    for store in (*near, *stores):
        found = store.folder.stat()
        other = taken.setdefault((found.st_dev, found.st_ino), store.id)
        if other != store.id:
            raise DeclarationError(f"{path}: stores.{store.id}.folder is the one of {other} as well: {store.folder}")
    lost = [store.lost.folder.resolve() for store in (*near, *stores)]
    for store in stores:
        if any(store.folder.resolve().is_relative_to(place) for place in lost):
            raise DeclarationError(f"{path}: stores.{store.id}.folder is where another store keeps lost files")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return _entry(path, "", tomllib.load(file), _TOP)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DeclarationError(f"{path}: {error}") from None


def _entry(path: Path, name: str, table: Any, known: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise DeclarationError(f"{path}: {name} must be a table")
    for key, value in table.items():
        where = f"{name}.{key}" if name else key
        if key not in known:
            raise DeclarationError(f"{path}: there is no option {where}")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool):
            raise DeclarationError(f"{path}: {where} has a value of the wrong type")
    return table


def _rules(path: Path, table: Mapping[str, Any]) -> Rules:
    hosts, ports = table.get("allowed_hosts", []), table.get("ports", [80, 443])
    if not all(isinstance(host, str) for host in hosts):
        raise DeclarationError(f"{path}: import.allowed_hosts must be a list of names, addresses and networks")
    if not all(isinstance(port, int) and 0 < port < 65536 for port in ports):
        raise DeclarationError(f"{path}: import.ports must be a list of ports")
    most = _gib(path, "import", table, 1024)
    return Rules(tuple(host.lower() for host in hosts), tuple(ports), most_bytes=most)


def _gib(path: Path, name: str, table: Mapping[str, Any], usual: int) -> int:
    """An entry in GiB, as bytes."""
    most = int(table.get("max_gib", usual))
    if not 1 <= most <= 1 << 20:
        raise DeclarationError(f"{path}: {name}.max_gib must be between 1 and {1 << 20}")
    return most << 30


def _store(path: Path, name: str, table: Any, rules: Rules, places: tuple[Path, Path]) -> ImageStore:
    kind = table.get("type") if isinstance(table, dict) else None
    if kind not in _KINDS:
        raise DeclarationError(f"{path}: stores.{name}.type must be one of {', '.join(_KINDS)}")
    given = _entry(path, f"stores.{name}", table, {**_COMMON, **_KINDS[kind]})
    common = {"description": given.get("description", ""), "weight": given.get("weight", 0)}
    folder, secrets = places
    if kind == "http":
        return HttpStore(name, rules, **common)
    if kind == "file":
        if "folder" not in given and name != "file":
            raise DeclarationError(f"{path}: stores.{name}.folder is missing")
        try:
            place = path.parent / given.get("folder", folder)
            return FileStore(name, place, shared=given.get("shared", False), **common)
        except OSError as error:
            raise DeclarationError(f"{path}: stores.{name}.folder cannot be used: {error}") from None
    for needed in ("endpoint", "bucket"):
        if not given.get(needed):
            raise DeclarationError(f"{path}: stores.{name}.{needed} is missing")
    if urlsplit(given["endpoint"]).scheme not in ("http", "https"):
        raise DeclarationError(f"{path}: stores.{name}.endpoint must be an http or https URL")
    access, secret = _keys(secrets / f"image_store_{name}")
    region, prefix = given.get("region", "us-east-1"), given.get("prefix", "")
    if find_spec("boto3") is None:
        raise DeclarationError(f"the store {name} needs boto3: pip install 'cumulet[s3]'")
    return S3Store(name, S3Access(given["endpoint"], given["bucket"], access, secret, region, prefix), **common)


def _keys(path: Path) -> tuple[str, str]:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DeclarationError(f"{path} may be read by others: give it mode 0600")
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        raise DeclarationError(f"{path} cannot be read: it holds the bucket's access key and secret key") from None
    if len(lines) != 2:
        raise DeclarationError(f"{path} must hold two lines: the access key and the secret key")
    return lines[0], lines[1]
