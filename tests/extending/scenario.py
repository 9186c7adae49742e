"""``python -m tests.extending.scenario FOLDER``: a controller that has bells, looked at from every side; what was found
as JSON. A process of its own, as tables that are declared once stay."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cumulet import services
from cumulet.cli import docs, policy
from cumulet.config import Settings
from tests.assembled import Assembled

services.SERVICES = (*services.SERVICES, "tests.extending.bells")  # type: ignore[assignment]

ASKED = {
    "index": ("GET", "/v1/bells", None),
    "create": ("POST", "/v1/bells", {"bell": {"name": "third"}}),
    "show": ("GET", "/v1/bells/{bell}", None),
    "ring": ("POST", "/v1/bells/{bell}/action", {"ring": {}}),
    "delete": ("DELETE", "/v1/bells/{bell}", None),
    "no such action": ("POST", "/v1/bells/{bell}/action", {"sing": {}}),
    "not a bell": ("GET", "/v1/bells/none", None),
    "no name": ("POST", "/v1/bells", {"bell": {"name": ""}}),
}


def who_may(cloud: Assembled, bell_id: str) -> dict[str, list[int]]:
    """Operation → the statuses that nobody, the owner, another project's member and the administrator get."""
    callers = ["", cloud.member, other(cloud), cloud.admin]
    found: dict[str, list[int]] = {}
    with cloud.keeps_nothing():
        for name, (method, path, body) in ASKED.items():
            sent = b"" if body is None else body
            found[name] = [
                cloud.ask("bell", method, path.format(bell=bell_id), token=token, body=sent).status for token in callers
            ]
    return found


def other(cloud: Assembled) -> str:
    """A token of a member of another project."""
    scope = {"project": {"name": "alt_demo", "domain": {"id": "default"}}}
    return cloud.log_in("alt_demo", cloud.secret("alt_demo"), scope)


def rung(cloud: Assembled, bell_id: str) -> list[Any]:
    """What a bell does that is rung for a moment, and rung again meanwhile."""

    def state() -> str:
        return str(cloud.ask("bell", "GET", f"/v1/bells/{bell_id}", token=cloud.member).json["bell"]["state"])

    def ring() -> int:
        body = {"ring": {"seconds": 0.5}}
        return cloud.ask("bell", "POST", f"/v1/bells/{bell_id}/action", token=cloud.member, body=body).status

    found: list[Any] = [state(), ring(), state(), ring()]
    end = time.monotonic() + 20
    while state() != "silent" and time.monotonic() < end:
        time.sleep(0.05)
    return [*found, state()]


def told(cloud: Assembled, what: str) -> Any:
    """What ``explain`` says."""
    secret = {"authorization": f"Bearer {cloud.settings.secret('operator_secret')}"}
    return cloud.ask("link", "GET", f"/v1/explain/{what}", headers=secret).json["subjects"]


def catalog(cloud: Assembled) -> dict[str, str]:
    """Type → public URL, as a token shows them."""
    answer = cloud.ask("identity", "GET", "/v3/auth/catalog", token=cloud.member).json["catalog"]
    return {
        each["type"]: endpoint["url"]
        for each in answer
        for endpoint in each["endpoints"]
        if endpoint["interface"] == "public"
    }


def main(folder: Path) -> dict[str, Any]:
    """Everything that a client, an operator and a writer of documents see of bells."""
    cloud = Assembled(folder / "state")
    threading.Thread(target=cloud.controller.engine.run, daemon=True).start()
    made = cloud.ask("bell", "POST", "/v1/bells", token=cloud.member, body={"bell": {"name": "great"}})
    bell_id = made.json["bell"]["id"]
    docs.write(folder / "docs")
    resolved = Settings.resolve(folder / "other", {"one_port": True, "bells_in_a_project": 7}, {})
    names = cloud.ask("identity", "GET", "/v3/users", token=cloud.admin, query="name=belfry").json["users"]
    found = {
        "made": [made.status, sorted(made.json["bell"])],
        "catalog": catalog(cloud),
        "users": [each["name"] for each in names],
        "openapi": sorted(cloud.ask("bell", "GET", "/openapi.json").json["paths"]),
        "pages": sorted(path.name for path in (folder / "docs" / "bell").glob("*.md")),
        "sample": [line for line in policy.sample_lines() if "bell:bells:" in line],
        "who may": who_may(cloud, bell_id),
        "rung": rung(cloud, bell_id),
        "explained": told(cloud, "great"),
        "too many": [
            cloud.ask("bell", "POST", "/v1/bells", token=cloud.member, body={"bell": {"name": str(number)}}).status
            for number in range(3)
        ],
        "file": resolved.to_toml().partition("[bell]")[2],
        "one port": [resolved.url("bell"), resolved.ports.listeners()],
        "kept": [*cloud.controller.retention.kinds],
        "versions": cloud.ask("bell", "GET", "/").json,
    }
    cloud.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
