"""A database that does not serve: every call says so with a 503, and is answered again when it is back."""

from __future__ import annotations

from pathlib import Path

import psycopg

from cumulet.db.dialects import Postgresql
from cumulet.services.placement.api import load
from tests.services.serving import running


def test_a_database_that_is_away_is_a_503(tmp_path: Path) -> None:
    with running(load(), None, tmp_path / "state.db", "postgresql") as served, served.client("admin") as client:
        assert client.get("/resource_providers").status_code == 200
        kind = served.db.kind
        assert isinstance(kind, Postgresql)
        url = kind.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
        name = kind.url.database
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            for answer in (client.get("/resource_providers"), client.post("/resource_providers", json={"name": "x"})):
                assert answer.status_code == 503 and answer.headers["retry-after"], answer.text
                assert "try again" in answer.json()["errors"][0]["detail"]
                assert str(name) not in answer.text
            operator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert client.get("/resource_providers").json() == {"resource_providers": []}
