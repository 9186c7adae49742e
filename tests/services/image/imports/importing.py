"""What tests of imports share: a store that can be away, a web server, and how an import looks that ended."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.image.context import ImageContext
from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.stores import StoreAway, Stores, Writing
from cumulet.services.image.model.stores.file import FileStore
from tests.services.image.conftest import OCTETS, Images, made, served, until
from tests.services.image.webserver import Page, Web, web_server

DATA = b"\0" * 512 + os.urandom(5 << 20)


class Moody(FileStore):
    """A folder that takes nothing while it is `away`."""

    away = False

    def create(self, image_id: str, upload_id: str) -> Writing:
        if self.away:
            raise StoreAway("It is out for lunch.")
        return super().create(image_id, upload_id)


def context_of(folder: Path, web: Web) -> ImageContext:
    stores = Stores([FileStore("file", folder / "images"), Moody("moody", folder / "moody")], "file")
    rules = Rules(("127.0.0.1",), (web.port,), connect_s=2, idle_s=5)
    return ImageContext(folder / "images", declared=stores, rules=rules)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        found.pages["/disk.raw"] = Page(DATA)
        yield found


@pytest.fixture
def glance(tmp_path: Path, web: Web) -> Iterator[Images]:
    with served(context_of(tmp_path, web), tmp_path / "state.db") as found:
        yield found


def moody(glance: Images) -> Moody:
    store = glance.context.stores.get("moody")
    assert isinstance(store, Moody)
    return store


def files(glance: Images) -> dict[str, list[str]]:
    stores = {store.id: store for store in glance.context.stores if isinstance(store, FileStore)}
    return {name: sorted(path.name for path in store.folder.iterdir()) for name, store in stores.items()}


def ask(client: httpx.Client, image_id: str, name: str, method: dict[str, Any] | None = None, **body: Any) -> Any:
    return client.post(f"/v2/images/{image_id}/import", json={"method": {"name": name, **(method or {})}, **body})


def staged(client: httpx.Client, data: bytes = DATA, **values: Any) -> dict[str, Any]:
    image = made(client, **values)
    answer = client.put(f"/v2/images/{image['id']}/stage", content=data, headers=OCTETS)
    assert answer.status_code == 204, answer.text
    shown: dict[str, Any] = client.get(f"/v2/images/{image['id']}").json()
    assert shown["status"] == "uploading" and shown["size"] == len(data) and shown["checksum"] is None
    return shown


def active(glance: Images, client: httpx.Client, image_id: str, stores: str = "file") -> dict[str, Any]:
    """The image holds DATA in these stores, and nothing is left of its import."""
    shown: dict[str, Any] = client.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "active" and shown["size"] == len(DATA) and shown["stores"] == stores
    assert shown["checksum"] == hashlib.md5(DATA).hexdigest()
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert shown["os_glance_importing_to_stores"] == "" and "os_glance_import_task" not in shown
    assert client.get(f"/v2/images/{image_id}/file").content == DATA
    assert until(lambda: not glance.staged())
    for name, found in files(glance).items():
        assert found == ([image_id] if name in stores.split(",") else []), name
    return shown


def nothing(glance: Images, client: httpx.Client, image_id: str, failed: str = "file") -> None:
    """The import failed: the image is queued again, and nothing is left."""
    shown = client.get(f"/v2/images/{image_id}").json()
    assert shown["status"] == "queued" and shown["os_glance_failed_import"] == failed
    assert shown["os_glance_importing_to_stores"] == "" and "os_glance_import_task" not in shown
    assert shown["size"] is None and shown["checksum"] is None and "stores" not in shown
    assert until(lambda: not glance.staged())
    assert not any(name.startswith(image_id) for found in files(glance).values() for name in found)
