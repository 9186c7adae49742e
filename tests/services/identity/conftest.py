"""A cloud's identity over real HTTP, on a port of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from cumulet.auth import Policy
from cumulet.db import Database, metadata
from cumulet.http.app import App
from cumulet.http.mount import Mount
from cumulet.http.server import listen
from cumulet.services.identity import door
from cumulet.services.identity.api import load
from tests.databases import place
from tests.services.identity.provider import Provider
from tests.services.identity.provider import running as running_provider
from tests.services.serving import PLAIN

PASSWORD = "correct horse battery staple"
URLS = {
    "identity": "http://127.0.0.1:5000/v3",
    "image": "http://127.0.0.1:9292",
    "compute": "http://127.0.0.1:8774/v2.1",
    "placement": "http://127.0.0.1:8778",
    "network": "http://127.0.0.1:9696",
}


def password_auth(name: str, password: str, scope: Any = None, domain: str = "default") -> dict[str, Any]:
    user = {"name": name, "domain": {"id": domain}, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope is not None:
        auth["scope"] = scope
    return {"auth": auth}


def on_project(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": {"id": "default"}}}


@dataclass
class Cloud:
    url: str
    db: Database
    context: door.IdentityContext
    secrets: Path
    http: httpx.Client
    app: App

    def login(self, name: str = "admin", password: str = PASSWORD, scope: Any = None, **more: Any) -> httpx.Response:
        return self.http.post("/v3/auth/tokens", json=password_auth(name, password, scope, **more))

    def token(self, name: str = "admin", password: str = PASSWORD, project: str | None = "admin") -> str:
        answer = self.login(name, password, on_project(project) if project else None)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["x-subject-token"])

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-Auth-Token": token}, timeout=30, verify=PLAIN)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@contextmanager
def cloud_in(folder: Path, kind: str | None = None) -> Iterator[Cloud]:
    """A cloud's identity on a new database of that kind."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name in ("admin", "demo", "service"):
        (secrets / f"{name}_password").write_text(PASSWORD + "\n")
    db = Database(place(folder / "test.db", kind), durable=False)
    service = load()
    metadata.create_all(db.engine)
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    door.bootstrap(db, secrets=secrets, endpoints=URLS | {"identity": f"{url}/v3"}, region="RegionOne")
    context = door.IdentityContext(secrets, "RegionOne", wakeups=db.wakeups if db.alone else None)
    mount = Mount(service, context, Policy(service.rules), auth_url=url)
    app = App(db, {port: mount}, context.authenticate)
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
    thread.start()
    with httpx.Client(base_url=url, timeout=30, verify=PLAIN) as http:
        yield Cloud(url, db, context, secrets, http, app)
    server.should_exit = True
    thread.join(10)
    db.close()


@pytest.fixture
def admin(cloud: Cloud) -> Iterator[httpx.Client]:
    with cloud.client(cloud.token()) as client:
        yield client


@pytest.fixture
def demo(cloud: Cloud) -> Iterator[httpx.Client]:
    with cloud.client(cloud.token("demo", project="demo")) as client:
        yield client


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """An identity provider that runs."""
    with running_provider() as found:
        yield found
