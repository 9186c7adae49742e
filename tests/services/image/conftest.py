"""The image service over HTTP, on a real server, with tokens that name their caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.image.service import ImageContext, load
from tests.services.serving import Running, running


@dataclass
class Images:
    """A running image service. `demo` and `other` are members of two projects, `admin` is admin."""

    running: Running
    context: ImageContext

    def client(self, token: str) -> httpx.Client:
        return self.running.client(token)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.context.folder.iterdir())


@pytest.fixture
def glance(tmp_path: Path) -> Iterator[Images]:
    context = ImageContext(tmp_path / "images")
    with running(load(), context, tmp_path / "state.db") as served:
        yield Images(served, context)


@pytest.fixture
def demo(glance: Images) -> Iterator[httpx.Client]:
    with glance.client("demo") as client:
        yield client


@pytest.fixture
def other(glance: Images) -> Iterator[httpx.Client]:
    with glance.client("other") as client:
        yield client


@pytest.fixture
def admin(glance: Images) -> Iterator[httpx.Client]:
    with glance.client("admin") as client:
        yield client


OCTETS = {"Content-Type": "application/octet-stream"}
RAW = {"name": "r", "disk_format": "raw", "container_format": "bare"}


def made(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """A new image record."""
    answer = client.post("/v2/images", json={**RAW, **values})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown
