"""Gives the one `libvirt` module, wherever it is installed.

The bindings are compiled against the system's libvirt and belong to its package, while we run in an environment of
our own. So only those files are loaded from Debian's folder; the folder itself never goes on the import path, since
it would let every other system package in.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

DEBIAN_PACKAGES = Path("/usr/lib/python3/dist-packages")
MISSING = "libvirt's Python bindings are missing: install the Debian package python3-libvirt"


def load(folder: Path = DEBIAN_PACKAGES) -> ModuleType:
    """The `libvirt` module. Raises ImportError naming the Debian package when there is none for this Python."""
    try:
        return importlib.import_module("libvirt")
    except ImportError:
        pass
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
    compiled = sorted(folder.glob(f"libvirtmod.{tag}*.so"))
    source = folder / "libvirt.py"
    if not compiled or not source.exists():
        raise ImportError(MISSING)
    _load_file("libvirtmod", compiled[0])
    return _load_file("libvirt", source)


def _load_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(MISSING)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
