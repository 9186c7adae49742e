"""Record Neutron's definitions: which attributes resources have, and whether they are shown, and taken by POST and PUT.

    pip install neutron-lib         # into an environment of its own, whose Python runs this file
    python tests/parity/record_neutron.py > tests/parity/facts/network.txt

A line is the extension that adds the attribute, the resource's collection, the attribute and what can be done with it.
It imports nothing of ours, so that it runs beside neutron-lib.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator


def lines() -> Iterator[str]:
    """All attributes of all definitions."""
    import neutron_lib.api.definitions as package

    for module in pkgutil.iter_modules(package.__path__):
        definition = importlib.import_module(f"{package.__name__}.{module.name}")
        alias = getattr(definition, "ALIAS", "-") or "-"
        for collection, attributes in getattr(definition, "RESOURCE_ATTRIBUTE_MAP", {}).items():
            for name, attribute in attributes.items():
                flags = ("is_visible", "shown"), ("allow_post", "post"), ("allow_put", "put")
                can = [word for flag, word in flags if attribute.get(flag)]
                yield " ".join([alias, collection, name, *can])


if __name__ == "__main__":
    print("\n".join(sorted(set(lines()))))
