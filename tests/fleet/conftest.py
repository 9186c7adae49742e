"""A lost cloud and the same one with an empty database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.adopting import Cloud, Journal, furnished
from tests.fleet.test_link import cloud, node

__all__ = ["cloud", "fresh", "lost", "node"]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, dict[str, str], Journal]]:
    """A cloud, what is in it and its nodes' journals."""
    cloud = Cloud(tmp_path_factory.mktemp("lost") / "state")
    ids = furnished(cloud)
    yield cloud, ids, cloud.journals()
    cloud.close()


@pytest.fixture
def fresh(lost: tuple[Cloud, dict[str, str], Journal], tmp_path: Path) -> Iterator[Cloud]:
    """The same cloud with an empty database."""
    found = Cloud(tmp_path / "state", lost[0].side.settings.secrets_dir)
    yield found
    found.close()
