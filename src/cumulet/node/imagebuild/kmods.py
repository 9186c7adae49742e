"""Chooses kernel modules for a guest and orders them by what they depend on.

Needs neither depmod nor root rights.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cumulet.node.imagebuild.commands import ImageBuildError


class Modules:
    """The modules of one unpacked kernel package."""

    def __init__(self, folder: Path) -> None:
        """`folder` is lib/modules/<version> of the package."""
        self.version = folder.name
        self._folder = folder
        self._paths = {_name(path.stem): path for path in folder.rglob("*.ko")}

    def closure(self, wanted: Iterable[str]) -> list[str]:
        """The wanted modules and what they need, in the order to load them. Raises for an unknown one."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order:
                return
            if name not in self._paths:
                raise ImageBuildError(f"kernel {self.version} has no module {name}")
            for below in self._depends(name):
                visit(below)
            order.append(name)

        for name in wanted:
            visit(_name(name))
        return order

    def path(self, name: str) -> Path:
        """Where the module's file is."""
        return self._paths[name]

    def relative(self, name: str) -> str:
        """The module's path below lib/modules/<version>, e.g. kernel/drivers/block/virtio_blk.ko."""
        return str(self._paths[name].relative_to(self._folder))

    def index(self, names: Iterable[str]) -> dict[str, str]:
        """Texts of modules.dep, modules.alias, modules.symbols for these modules, as modprobe reads them."""
        chosen = list(names)
        dep, alias = [], []
        for name in chosen:
            below = [other for other in reversed(self.closure([name])) if other != name]
            dep.append(f"{self.relative(name)}: {' '.join(self.relative(other) for other in below)}".rstrip())
            alias += [f"alias {pattern} {name}" for pattern in self._tags(name, b"alias=")]
        return {
            "modules.dep": "\n".join(dep) + "\n",
            "modules.alias": "\n".join(alias) + "\n",
            "modules.symbols": "",
        }

    def _depends(self, name: str) -> list[str]:
        return [_name(item) for tag in self._tags(name, b"depends=") for item in tag.split(",") if item]

    def _tags(self, name: str, key: bytes) -> list[str]:
        data = self._paths[name].read_bytes()
        return [part[len(key) :].decode() for part in data.split(b"\0") if part.startswith(key)]


def _name(text: str) -> str:
    return text.replace("-", "_")
