"""The disk that the database is on is full (case 59): calls that write say so with a 503, nothing is half made, reading
goes on, and when there is room again so does writing.

SQLite is given a largest number of pages, and then does what it does on a full disk. Image files, guests' disks and the
node's journal have tests of their own: see the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cumulet.db import dialects, metadata
from tests.assembled import Assembled


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Assembled]:
    monkeypatch.setattr(dialects, "_PRAGMAS", (*dialects._PRAGMAS, "PRAGMA max_page_count=450"))
    found = Assembled(tmp_path / "state")
    yield found
    found.close()


def counted(cloud: Assembled) -> dict[str, int]:
    with cloud.controller.db.read() as tx:
        return {name: tx.scalar(select(func.count()).select_from(table)) for name, table in metadata.tables.items()}


def create(cloud: Assembled, name: str, text: str) -> Any:
    body = {"user": {"name": name, "description": text}}
    return cloud.ask("identity", "POST", "/v3/users", token=cloud.admin, body=body)


def test_59_a_full_database_is_a_503(cloud: Assembled, caplog: pytest.LogCaptureFixture) -> None:
    assert cloud.admin and cloud.member
    made = []
    for number in range(60):
        before = counted(cloud)
        answer = create(cloud, f"user{number}", "x" * 60_000)
        if answer.status != 201:
            break
        made.append(answer.json["user"]["id"])
    assert answer.status == 503 and answer.headers["retry-after"], answer.body
    assert "try again" in answer.json["error"]["message"] and "sqlite" not in answer.body.decode().lower()
    assert counted(cloud) == before, "something is left of it"
    assert made and "Traceback" not in caplog.text
    for service, path in (("identity", f"/v3/users/{made[0]}"), ("network", "/v2.0/networks"), ("image", "/v2/images")):
        assert cloud.ask(service, "GET", path, token=cloud.admin).status == 200
    for user_id in made[:3]:
        assert cloud.ask("identity", "DELETE", f"/v3/users/{user_id}", token=cloud.admin).status == 204
    assert create(cloud, "later", "x" * 60_000).status == 201
