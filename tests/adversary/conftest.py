"""One town for all tests of a module; nothing that bob writes is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adversary.town import Town, built
from tests.assembled import Assembled


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    cloud = Assembled(tmp_path_factory.mktemp("adversary") / "state")
    found = built(cloud)
    with found.watched():
        yield found
    cloud.close()
