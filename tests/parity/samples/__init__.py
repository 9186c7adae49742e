"""Which of OpenStack's samples shows a request or an answer of which operation."""

from __future__ import annotations

from dataclasses import dataclass

from tests.parity.samples.compute import COMPUTE
from tests.parity.samples.identity import IDENTITY
from tests.parity.samples.image import IMAGE
from tests.parity.samples.placement import PLACEMENT


@dataclass(frozen=True)
class Source:
    """`samples`: the operation, ``request`` or ``response`` → names of samples. `first`: the version of a sample that
    names none, where ``name@version`` does not say it. `chosen`: fields below which names are the client's."""

    folder: str
    first: tuple[int, int]
    samples: dict[str, str]
    chosen: frozenset[str] = frozenset()


SOURCES = {
    "compute": Source(
        "doc/api_samples",
        (2, 1),
        COMPUTE,
        frozenset({"metadata", "meta", "extra_specs", "addresses", "hosts", "cpu_info"}),
    ),
    "identity": Source("api-ref/source", (3, 0), IDENTITY, frozenset({"config", "options"})),
    "image": Source("api-ref/source/v2/samples", (2, 0), IMAGE, frozenset({"properties"})),
    "placement": Source(
        "api-ref/source/samples",
        (1, 0),
        PLACEMENT,
        frozenset({"resources", "inventories", "usages", "mappings"}),
    ),
}
