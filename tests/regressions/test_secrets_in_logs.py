"""No secret gets into a log, an argument or an environment, whatever is done with it (finding S14, case 40)."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from cumulet.cli import logs
from cumulet.cli.api_client import ApiError, Session
from cumulet.db import Database
from cumulet.desired.hosts import HostFacts
from cumulet.fleet import tables
from cumulet.node.link import Link
from tests.crash.living import LivingCloud, cumulet, living
from tests.e2e import leaks


@pytest.fixture(scope="module")
def cloud() -> Iterator[LivingCloud]:
    with living({}) as made:
        yield made


def request(
    cloud: LivingCloud, service: str, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """One request as a client sends it, well-formed or not: status, and the body where it is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.settings.ports.of(service), timeout=30)
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data) if data[:1] in (b"{", b"[") else data


def identity(cloud: LivingCloud, known: dict[str, str]) -> None:
    """Logins right and wrong, and everything of identity that is shown once."""
    known |= {"the demo user's token": cloud.demo.token, "the admin's token": cloud.admin.token}
    known["a wrong password"] = "wrong password 4711 of somebody"
    url, region = cloud.settings.local_url("identity"), cloud.settings.region
    with pytest.raises(ApiError):
        Session(url, "demo", known["a wrong password"], region)
    known["a user's password"] = "the password 0815 of bob"
    user = {"name": "bob", "password": known["a user's password"], "domain_id": "default"}
    made = cloud.admin.request("POST", "identity", "/users", {"user": user})["user"]
    known["bob's next password"] = "another password 0816 of bob"
    change = {"original_password": known["a user's password"], "password": known["bob's next password"]}
    body = {"user": change}
    assert request(cloud, "identity", "POST", f"/v3/users/{made['id']}/password", body)[0] == 204
    me = request(
        cloud, "identity", "GET", "/v3/auth/tokens", X_Auth_Token=cloud.demo.token, X_Subject_Token=cloud.demo.token
    )[1]["token"]["user"]["id"]
    credential = {"application_credential": {"name": "app", "description": "x"}}
    shown = cloud.demo.request("POST", "identity", f"/users/{me}/application_credentials", credential)
    secret = known["an application credential"] = str(shown["application_credential"]["secret"])
    methods = {"id": shown["application_credential"]["id"], "secret": secret}
    for tried in (secret, "wrong secret 0817 of an application"):
        known[f"a secret that was tried, {len(known)}"] = tried
        login = {"methods": ["application_credential"], "application_credential": methods | {"secret": tried}}
        request(cloud, "identity", "POST", "/v3/auth/tokens", {"auth": {"identity": login}})
    keys = cloud.demo.request(
        "POST", "identity", f"/users/{me}/credentials/OS-EC2", {"tenant_id": cloud.demo.project_id}
    )["credential"]
    known["an EC2 secret"] = str(keys["secret"])


def mistakes(cloud: LivingCloud, known: dict[str, str]) -> None:
    """Where clients put secrets by mistake: in paths, in queries, in broken requests and in headers that we refuse."""
    token = cloud.demo.token
    for service in ("identity", "compute", "image", "network", "placement", "console", "metadata", "link"):
        request(cloud, service, "GET", f"/nothing?token={token}&password={known['a wrong password'].replace(' ', '+')}")
        request(cloud, service, "GET", f"/v2.0/tokens/{token}")
        request(cloud, service, "GET", "/v2.1/os-console-auth-tokens/11111111-2222-4333-8444-555555555555")
        shown = {"Authorization": f"Bearer {token}", "Cookie": f"a={token}", "X-Cumulet-Node": token}
        request(cloud, service, "POST", "/v1/join", {"token": token}, **shown)
        with socket.create_connection(("127.0.0.1", cloud.settings.ports.of(service)), 10) as broken:
            broken.sendall(f"GET /?token={token} HTTP/9.9\r\nX-Auth-Token: {token}\r\n\x00\r\n\r\n".encode())
            broken.recv(1000)


def servers(cloud: LivingCloud, known: dict[str, str]) -> str:
    """A server with user data and a password; its id."""
    known["user data"] = "#!/bin/sh\necho user data 4712 with a secret"
    data = base64.b64encode(known["user data"].encode()).decode()
    known["user data as sent"] = data
    known["a server's password"] = "admin-pass-4713"
    wrong = cloud.body("broken", user_data=data, adminPass=known["a server's password"], networks="wrong")
    assert request(cloud, "compute", "POST", "/v2.1/servers", wrong, X_Auth_Token=cloud.demo.token)[0] == 400
    made = cloud.create("vm", user_data=data, adminPass=known["a server's password"])
    cloud.until(lambda: {s["status"] for s in cloud.servers() if s["id"] == made} == {"ACTIVE"}, "the server is active")
    return made


def consoles(cloud: LivingCloud, known: dict[str, str], server_id: str) -> None:
    """A screen that is shown, refused for its origin, used up and invented. A simulated host has no screen: one is put
    where the controller looks for it."""
    folder = cloud.settings.node_dir / "vnc"
    folder.mkdir(mode=0o755, exist_ok=True)
    folder.chmod(0o755)
    where = folder / f"{server_id}.sock"
    threading.Thread(target=_echo, args=(where,), daemon=True).start()
    cloud.until(where.exists, "the screen is there")
    where.chmod(0o777)
    with cloud.db.transaction() as tx:
        facts = {"power_state": "running", "screen": True}
        tx.update_by_key(tables.desired, {"kind": "guest", "ref": server_id}, facts=facts)
    port = cloud.settings.ports.of("console")
    own = f"http://127.0.0.1:{port}"
    for number, origin in enumerate((own, "http://evil.example", None)):
        shown = request(
            cloud,
            "compute",
            "POST",
            f"/v2.1/servers/{server_id}/remote-consoles",
            {"remote_console": {"protocol": "vnc", "type": "novnc"}},
            X_Auth_Token=cloud.demo.token,
            OpenStack_API_Version="compute 2.96",
        )
        token = known[f"a console's token, number {number}"] = shown[1]["remote_console"]["url"].rpartition("%3D")[2]
        request(cloud, "console", "GET", f"/vnc_auto.html?autoconnect=true&path=%3Ftoken%3D{token}")
        assert asyncio.run(_opens(port, token, origin)) is (origin != "http://evil.example")
        assert not asyncio.run(_opens(port, token, own)), "a token opens one connection at most, once"
    assert not asyncio.run(_opens(port, "11111111-2222-4333-8444-555555555555", own))


def _echo(where: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(where))
        listening.listen()
        while True:
            listening.accept()[0].sendall(b"RFB 003.008\n")


async def _opens(port: int, token: str, origin: Any) -> bool:
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/?token={token}", origin=origin) as browser:
            return await asyncio.wait_for(browser.recv(), 10) == b"RFB 003.008\n"
    except websockets.exceptions.InvalidStatus:
        return False


def nodes(cloud: LivingCloud, known: dict[str, str], folder: Path) -> None:
    """Tokens to join with, used and refused; a second node; both processes killed; the node's own secret lost."""
    for number in range(2):
        done = cumulet(cloud.state, "token", *(["second"] if number else []))
        assert done.returncode == 0, done.stderr
        known[f"a token to join with, number {number}"] = done.stdout.strip()
    link = Link(cloud.settings.local_url("link"), folder / "second.json")
    facts = [HostFacts(hostname="second", vcpus=1, memory_mb=1, disk_gb=1, roles=["network"])]
    link.join("second", facts, known["a token to join with, number 1"])
    known["the second node's secret"] = json.loads((folder / "second.json").read_text())["secret"]
    link.heartbeat([])
    with pytest.raises(Exception, match="401"):
        Link(cloud.settings.local_url("link")).join("third", [], known["a token to join with, number 1"])
    kept = cloud.settings.node_dir / "link.json"
    known["the node's first secret"] = json.loads(kept.read_text())["secret"]
    kept.unlink()
    for name in ("node", "controller"):
        assert cloud.signal(name, signal.SIGKILL)
    cloud.until(cloud.up, "the cloud is up again", 60)
    cloud.until(kept.exists, "the node has joined again", 60)


def test_no_secret_is_in_a_log_an_argument_or_an_environment(cloud: LivingCloud, tmp_path: Path) -> None:
    """Finding S14, case 40, with the report's own requests among others: consoles accepted and refused."""
    known: dict[str, str] = {}
    identity(cloud, known)
    mistakes(cloud, known)
    consoles(cloud, known, servers(cloud, known))
    nodes(cloud, known, tmp_path)
    known |= leaks.of_state(cloud.state)
    assert len(known) >= 25 and all(len(value) >= leaks.SHORTEST for value in known.values())
    assert (cloud.state / "log" / "controller.log").stat().st_size > 10_000
    assert leaks.leaks(cloud.state, known) == []
    hashed = [value for what, value in known.items() if "join" in what or "node" in what or "console" in what]
    for file in (cloud.state / "db").iterdir():
        content = file.read_bytes()
        assert not [value for value in hashed if value.encode() in content], file.name


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """A search that cannot find is no test: a secret in each place where it looks."""
    for folder in ("log", "secrets", "node"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secrets" / "operator_secret").write_text("operator-4711\n")
    (tmp_path / "secrets" / "database_url").write_text("postgresql://me:data%2Fbase-4712@h/db\n")
    (tmp_path / "node" / "link.json").write_text('{"link_id": "x", "secret": "link-secret-4713"}')
    known = leaks.of_state(tmp_path)
    assert set(known.values()) == {"operator-4711", "data/base-4712", "link-secret-4713"}
    assert leaks.leaks(tmp_path, known) == []
    (tmp_path / "log" / "controller.log").write_text("x operator-4711 data%2Fbase-4712\nGET /?token=f641aaaa-bb 200\n")
    (tmp_path / "log" / "node.log.1").write_text("gAAAAABk" + "a" * 80)
    command = [sys.executable, "-c", "print(flush=True); input()", "link-secret-4713"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, env=os.environ | {"X": "operator-4711"}) as other:  # type: ignore[call-overload]
        assert other.stdout is not None and other.stdout.readline()  # before, its arguments may not be there yet
        found = leaks.leaks(tmp_path, known)
        told = leaks.__file__ or ""
        with pytest.raises(subprocess.CalledProcessError) as failed:
            subprocess.run(
                [sys.executable, told, str(tmp_path)], input="{}", check=True, capture_output=True, text=True
            )
        other.communicate(b"\n")
    assert {
        "secrets/operator_secret in log/controller.log",
        "secrets/database_url in log/controller.log",
        "a query with a token in log/controller.log",
        "a Fernet token in log/node.log.1",
        f"the node's secret in arguments of process {other.pid}",
        f"secrets/operator_secret in environment of process {other.pid}",
    } <= set(found)
    assert "operator-4711" not in json.dumps(found) + failed.value.stdout
    assert set(json.loads(failed.value.stdout)) >= {"secrets/operator_secret in log/controller.log"}
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ('127.0.0.1:5 - "WebSocket /?token=f641-aa" 403', '127.0.0.1:5 - "WebSocket /?[hidden]" 403'),
        ("cannot GET https://s3/b/k?X-Amz-Signature=ab&x=1: 403", "cannot GET https://s3/b/k?[hidden] 403"),
        ("no postgresql+psycopg://me:pw@h:1/db there", "no postgresql+psycopg://[hidden]@h:1/db there"),
        ("token gAAAAABk" + "x" * 100 + "== is old", "token [hidden] is old"),
        ("GET /v2.0/tokens/abc status: 404", "GET /v2.0/tokens/[hidden] status: 404"),
        ("< X-Auth-Token: abc", "< X-Auth-Token: [hidden]"),
        ("{'authorization': 'Bearer abc'}", "{'authorization': '[hidden]"),
        ("GET /v3/auth/tokens status: 201 time: 0.1", "GET /v3/auth/tokens status: 201 time: 0.1"),
        ("is it so? a = b", "is it so? a = b"),
    ],
)
def test_what_the_log_does_not_repeat(said: str, left: str) -> None:
    """Finding S14: lines of libraries, and the addresses in errors, tracebacks included."""
    made = logging.LogRecord("x", logging.ERROR, "", 1, "%s", (said,), None)
    assert logs.Formatter("%(message)s").format(made) == left
    try:
        raise OSError(said)
    except OSError:
        made.exc_info = sys.exc_info()
    told = logs.Formatter("%(message)s").format(made)
    assert "OSError" in told and not {"f641", "Signature=", "pw@", "Bearer"} & set(told.replace("=", "= ").split())
    for secret in ("f641-aa", "X-Amz-Signature", ":pw@", "x" * 100, "Bearer abc"):
        assert secret not in told


def test_a_line_costs_little_and_nothing_long_stops_it() -> None:
    """The rules look at every line, also at one that somebody made long on purpose."""
    for piece in (
        "?",
        "?a=",
        "://",
        "gAAAA",
        "x-auth-token",
        "/tokens/",
        "x-" * 3,
        "authorization",
        "?a=b&",
        "://a:b@",
    ):
        begun = time.perf_counter()
        logs.without_secrets(piece * (100_000 // len(piece)))
        assert time.perf_counter() - begun < 2, piece


def test_libraries_do_not_tell_of_requests() -> None:
    """Finding S14: also where the operator asks for DEBUG, which is meant for our own lines."""
    root, kept = logging.getLogger(), {}
    for name in ("", "cumulet", *logs._TALKATIVE, "uvicorn.error"):
        kept[name] = logging.getLogger(name).level
    handlers = root.handlers[:]
    try:
        logs.configure("DEBUG")
        for name in ("uvicorn.error", "websockets.server", "botocore.auth", "sqlalchemy.engine.Engine", "urllib3"):
            assert not logging.getLogger(name).isEnabledFor(logging.INFO), name
        assert logging.getLogger("cumulet.http").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("another.library").isEnabledFor(logging.DEBUG)
        logs.configure("ERROR")
        assert not logging.getLogger("uvicorn.error").isEnabledFor(logging.WARNING)
    finally:
        root.handlers = handlers
        for name, level in kept.items():
            logging.getLogger(name).setLevel(level)


def test_an_error_of_the_database_does_not_repeat_values(tmp_path: Path) -> None:
    """Case 40: a statement that fails is logged with its traceback, and held the password's hash, or the user data."""
    db = Database(tmp_path / "db.sqlite", durable=False)
    try:
        with pytest.raises(StatementError) as caught, db.transaction() as tx:
            tx.execute(text("INSERT INTO nothing VALUES (:secret)"), {"secret": "hunter2-4711"})
        assert "hunter2-4711" not in str(caught.value)
    finally:
        db.close()
