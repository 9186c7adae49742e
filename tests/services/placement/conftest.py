"""The placement service over HTTP, and its door on a bare store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cumulet.db import Database, metadata
from cumulet.services.placement.api import load
from tests.databases import KINDS, place
from tests.services.serving import Running, running


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(load(), None, tmp_path / "state.db") as service:
        yield service


@pytest.fixture
def api(served: Running) -> Iterator[httpx.Client]:
    """An admin at the newest microversion."""
    with served.client("admin", **{"OpenStack-API-Version": "placement 1.39"}) as client:
        yield client


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """On each kind of database."""
    db = Database(place(tmp_path / "door.db", request.param), durable=False)
    metadata.create_all(db.engine)
    yield db
    db.close()
