"""One assembled cloud for all tests of the contract; nothing that they write is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.assembled import Assembled


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("contract") / "state")
    assert found.admin and found.member
    with found.keeps_nothing():
        yield found
    found.close()
