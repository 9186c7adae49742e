"""A cloud of real processes whose rows are in PostgreSQL: made, used, its controller killed, taken away."""

from __future__ import annotations

import signal

from tests.crash.living import living
from tests.databases import url


def test_a_cloud_on_postgresql_survives_its_controller() -> None:
    where = url()
    with living({}, CUMULET_DATABASE_URL=where) as cloud:
        names = {f"s{n}" for n in range(4)}
        for name in sorted(names):
            cloud.create(name)
        assert cloud.signal("controller", signal.SIGKILL)
        cloud.until(cloud.up, "the controller is back")

        def active() -> bool:
            return {server["name"] for server in cloud.servers() if server["status"] == "ACTIVE"} == names

        cloud.until(active, "every server is active", 60)
        cloud.at_rest()
        cloud.delete_all()
        cloud.at_rest()
        assert not (cloud.state / "db" / "cumulet.sqlite").exists()
        secret = cloud.state / "secrets" / "database_url"
        assert secret.read_text().strip() == where and secret.stat().st_mode & 0o777 == 0o600
        told = [path for folder in ("log", "run") for path in (cloud.state / folder).rglob("*") if path.is_file()]
        assert not [path for path in [cloud.settings.file, *told] if where.encode() in path.read_bytes()]
