"""The stores that the operator declared, and the one that is meant when nobody says which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cumulet.services.image.model.stores.contract import ImageStore, StoreFault


class UnknownStore(StoreFault):
    """No store has that name."""


class Stores:
    """Stores by name, in the order of their declaration."""

    def __init__(self, stores: Sequence[ImageStore], default: str) -> None:
        self._stores = {store.id: store for store in stores}
        self.default = self._stores[default]

    def __iter__(self) -> Iterator[ImageStore]:
        return iter(self._stores.values())

    def get(self, name: str) -> ImageStore:
        """The store of that name. Raises UnknownStore."""
        try:
            return self._stores[name]
        except KeyError:
            raise UnknownStore(f"Store for identifier {name} not found") from None

    def find(self, name: str | None) -> ImageStore | None:
        """The store of that name, or None."""
        return self._stores.get(name) if name is not None else None

    def owner_of(self, url: str) -> ImageStore | None:
        """The store that the URL belongs to; None for a URL that no store may be asked for."""
        return next((store for store in self if store.owns(url)), None)

    def by_weight(self, names: str) -> str:
        """Names with commas, those of the heaviest stores in front."""
        if len(self._stores) < 2 or "," not in names:
            return names
        weights = {name: self._stores[name].weight for name in self._stores}
        return ",".join(sorted(names.split(","), key=lambda name: -weights.get(name, 0)))

    def writable(self) -> list[ImageStore]:
        """Stores that take bytes."""
        return [store for store in self if not store.read_only]
