"""`cumulet.testing` as somebody else's tests use it, and `up` for machines: free ports, JSON, in the foreground."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from cumulet import __version__, testing
from cumulet.cli import listening, log, openstack
from cumulet.cli.api_client import Session
from cumulet.cli.errors import CliError
from cumulet.config import Settings
from tests.laws.source import ROOT


@pytest.fixture(scope="module")
def cloud() -> Iterator[testing.Cloud]:
    with testing.cloud(hosts=2, script={"seed": 7}) as made:
        yield made


class Demo:
    """The user demo of a cloud, by the same small client that `up` has."""

    def __init__(self, cloud: testing.Cloud) -> None:
        settings = Settings.load(cloud.state)
        self.session = Session(
            cloud.auth_url.removesuffix("/v3"), "demo", settings.secret("demo_password"), "RegionOne"
        )
        image = self.session.named("image", "images", "cirros")
        assert image
        self.body = {"flavorRef": "1", "imageRef": image["id"], "networks": "none"}

    def boot(self, name: str, **metadata: str) -> dict[str, Any]:
        body = {"server": {"name": name, "metadata": metadata, **self.body}}
        return self.server(self._post("/servers", body)["server"]["id"])

    def _post(self, path: str, body: Any) -> Any:
        url = self.session.url("compute")
        host, _, base = url.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host)
        headers = {"X-Auth-Token": self.session.token, "OpenStack-API-Version": "compute 2.37"}
        connection.request("POST", f"/{base}{path}", json.dumps(body), {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read() or b"{}")
        connection.close()
        assert answer.status < 300, told
        return told

    def server(self, server_id: str, *, until: str = "") -> dict[str, Any]:
        for _ in range(2000):
            found: dict[str, Any] = self.session.request("GET", "compute", f"/servers/{server_id}")["server"]
            if found["status"] == until or (not until and found["status"] != "BUILD"):
                return found
        raise AssertionError(found)


def test_a_cloud_does_as_it_is_told(cloud: testing.Cloud) -> None:
    demo = Demo(cloud)
    cloud.rule("boot=fail", match_name="bad-*")
    assert demo.boot("good-1")["status"] == "ACTIVE"
    bad = demo.boot("bad-1")
    assert bad["status"] == "ERROR" and "as its script says" in bad["fault"]["message"]
    cloud.clear()
    good = demo.boot("bad-2")
    assert good["status"] == "ACTIVE"
    cloud.server("bad-2", "crash")
    assert demo.server(good["id"], until="SHUTOFF")["status"] == "SHUTOFF"
    demo._post(f"/servers/{good['id']}/action", {"os-start": None})
    assert demo.server(good["id"], until="ACTIVE")["OS-EXT-STS:power_state"] == 1


def test_a_servers_metadata_counts_and_is_checked(cloud: testing.Cloud) -> None:
    demo = Demo(cloud)
    assert demo.boot("told", **{"cumulet:boot": "fail"})["status"] == "ERROR"
    with pytest.raises(AssertionError, match="there is no behaviour bot; did you mean boot"):
        demo.boot("told", **{"cumulet:bot": "fail"})


def test_hosts_die_and_return(cloud: testing.Cloud) -> None:
    admin = Session(
        cloud.auth_url.removesuffix("/v3"), "admin", Settings.load(cloud.state).secret("admin_password"), "RegionOne"
    )

    def states() -> dict[str, str]:
        rows = admin.request("GET", "compute", "/os-services?binary=nova-compute")["services"]
        return {row["host"]: row["state"] for row in rows}

    cloud.host("sim-0002", "down")
    assert states() == {"sim-0001": "up", "sim-0002": "down"}
    cloud.host("sim-0002", "up")
    assert states() == {"sim-0001": "up", "sim-0002": "up"}


def test_mistakes_are_said(cloud: testing.Cloud) -> None:
    with pytest.raises(testing.CumuletError, match="did you mean sim-0002"):
        cloud.host("sim-002", "down")
    with pytest.raises(testing.CumuletError, match=r"did you mean boot=fail\?"):
        cloud.rule("boot=fial")


def test_apis_fail_when_they_are_told_to(cloud: testing.Cloud) -> None:
    demo = Demo(cloud)
    cloud.fault("compute:GET:/servers/detail", status=429, times=2, retry_after=3)
    cloud.fault("network:GET:*", delay="300ms", times=1)
    for _ in range(2):
        status, headers, body = _get(demo, "compute", "/servers/detail")
        assert (status, headers["Retry-After"]) == (429, "3")
        assert "asked for" in next(iter(body.values()))["message"]
    assert _get(demo, "compute", "/servers/detail")[0] == 200
    begun = time.monotonic()
    assert _get(demo, "network", "/ports")[0] == 200
    assert time.monotonic() - begun >= 0.3
    with pytest.raises(testing.CumuletError, match="did you mean compute:POST:/servers"):
        cloud.fault("compute:POST:/server", status=503)
    with pytest.raises(testing.CumuletError, match="status is from 400 to 599"):
        cloud.fault("compute:POST:/servers", status=200)
    cloud.fault("identity:POST:/auth/tokens", status=503)
    cloud.clear()
    Demo(cloud)


def _get(demo: Demo, service: str, path: str) -> tuple[int, Any, Any]:
    url = demo.session.url(service) + path
    host, _, rest = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/{rest}", headers={"X-Auth-Token": demo.session.token})
    answer = connection.getresponse()
    body = json.loads(answer.read() or b"{}")
    connection.close()
    return answer.status, answer.headers, body


def test_the_log_tells_of_one_server_and_one_call(cloud: testing.Cloud) -> None:
    demo = Demo(cloud)
    good, other = demo.boot("logged-1"), demo.boot("logged-2")
    text = testing._run(cloud.state, "log", "--server", "logged-1")
    assert good["id"] in text and other["id"] not in text
    call = next(line for line in text.splitlines() if "POST /v2.1/servers status: 202" in line)
    request = re.search(r"req-[0-9a-f-]{36}", call)
    assert request and call.startswith("controller ")
    assert testing._run(cloud.state, "log", "--request", request[0]).splitlines() == [call]
    every = testing._run(cloud.state, "log", "--since", "1h").splitlines()
    assert {line.split()[0] for line in every} == {"supervisor", "controller", "node"}
    with pytest.raises(testing.CumuletError, match="it is like 10m"):
        testing._run(cloud.state, "log", "--since", "yesterday")
    with pytest.raises(testing.CumuletError, match="no server logged-3"):
        testing._run(cloud.state, "log", "--server", "logged-3")


def test_a_fresh_cloud_logs_no_false_alarm(cloud: testing.Cloud) -> None:
    log = (Path(cloud.report["logs"]) / "node.log").read_text()
    assert log.count("waiting for the controller") <= 1 and "refused" not in log and "does not answer" not in log
    asked = re.findall(r" GET (\S+) status: ", (Path(cloud.report["logs"]) / "controller.log").read_text())
    assert asked and set(asked).isdisjoint({"/", "/v3", "/healthcheck", "/v1/standing", "/v1/status"})


def test_records_of_several_processes_are_in_one_order(tmp_path: Path) -> None:
    """Zones differ, a traceback belongs to the line above it, and what was rotated is read, too."""
    (tmp_path / "controller.log.1").write_text("2026-11-30T12:00:01.000+02:00 first\n")
    (tmp_path / "controller.log").write_text("2026-11-30 10:00:03,250Z third\nTraceback\n  line\n")
    (tmp_path / "supervisor.log").write_text("2026-11-30 10:00:02 1 supervisor: second\n")
    (tmp_path / "node.log").write_text('{"time": "2026-11-30T10:00:04.000Z", "message": "fourth"}\nno time\n')
    found = log.merged(tmp_path)
    assert [record.process for record in found] == ["controller", "supervisor", "controller", "node"]
    assert found[2].lines == ["2026-11-30 10:00:03,250Z third", "Traceback", "  line"]
    assert found[2].has(["Traceback"]) and not found[0].has(["third"])


def test_the_clouds_of_clouds_yaml(cloud: testing.Cloud) -> None:
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    assert set(clouds) == {"cumulet", "cumulet-admin", "cumulet-alt", "cumulet-system"}
    system = clouds["cumulet-system"]["auth"]
    assert system["system_scope"] == "all" and "project_name" not in system


_TWO_CONNECTIONS = """
import sys
import openstack.config, openstack.connection
config = openstack.config.OpenStackConfig(config_files=[sys.argv[1]], load_envvars=False)
demo, other = (openstack.connection.Connection(config=config.get_one(cloud=n)) for n in ("cumulet", "cumulet-alt"))
flavor, image = demo.compute.find_flavor("m1.tiny"), demo.image.find_image("cirros")
made = [one.compute.create_server(name=one.auth["username"] + "-sees", flavor_id=flavor.id, image_id=image.id,
                                  networks="none") for one in (demo, other)]
for one, mine, theirs in ((demo, *made), (other, *reversed(made))):
    assert one.auth["username"] == one.auth["project_name"] and one.compute.get_server(mine.id).name == mine.name
    seen = {each.id for each in one.compute.servers()}
    assert mine.id in seen and theirs.id not in seen, seen
    for act in (one.compute.get_server, one.compute.delete_server):
        try:
            act(theirs.id, *([] if act == one.compute.get_server else [False]))
        except openstack.exceptions.NotFoundException:
            continue
        raise AssertionError(f"{one.auth} reaches {theirs.id}")
print("apart")
"""


def test_the_two_users_do_not_see_each_others_servers(cloud: testing.Cloud) -> None:
    client = Path(os.environ.get("CUMULET_CLIENT_ENV", ROOT / ".venv-client")) / "bin" / "python"
    if not client.exists():
        pytest.skip("needs the environment of the official client, which `cumulet test` makes")
    words: list[str | Path] = [client, "-c", _TWO_CONNECTIONS, cloud.clouds_yaml]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "apart\n", done.stderr
    secret = cloud.state / "secrets" / "alt_demo_password"
    assert secret.stat().st_mode & 0o777 == 0o600 and len(secret.read_text()) > 30


def test_the_client_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("launcher/bin", "beside", "path"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    environ = {"CUMULET_CLIENT_ENV": str(tmp_path / "launcher"), "PATH": str(tmp_path / "path")}
    assert openstack.found(environ) is None
    for folder in ("path", "beside", "launcher/bin"):
        client = tmp_path / folder / "openstack"
        client.write_text("")
        client.chmod(0o755)
        assert openstack.found(environ) == client


def test_the_report_says_where_things_are(cloud: testing.Cloud) -> None:
    assert cloud.report["version"] == __version__ and cloud.report["simulated"] == 2
    assert cloud.auth_url == f"http://127.0.0.1:{cloud.report['ports']['identity']}/v3"
    assert set(cloud.report["pids"]) == {"supervisor", "controller", "node"}
    assert cloud.clouds_yaml.stat().st_mode & 0o777 == 0o600
    password = Settings.load(cloud.state).secret("admin_password")
    assert password not in json.dumps(dict(cloud.report))


def test_nobody_else_gets_ports_that_are_held() -> None:
    """Forty clouds choose at the same time, and each has nine ports of its own."""
    with ExitStack() as held, ThreadPoolExecutor(8) as pool:
        bases = list(pool.map(lambda _: listening.hold(held, "127.0.0.1"), range(40)))
        ports = [base + number for base in bases for number in range(9)]
        assert len(set(ports)) == 360
        assert max(ports) < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        with ExitStack() as other:
            assert listening.hold(other, "127.0.0.1", bases[0]) not in bases
    with ExitStack() as held:
        assert listening.hold(held, "127.0.0.1", bases[0]) == bases[0]


def test_a_cloud_that_does_not_start_says_why(tmp_path: Path) -> None:
    wrong = testing.cloud(state=tmp_path / "state", script={"fail_bot": 1})
    with pytest.raises(testing.CumuletError, match="did you mean fail_boot"), wrong:
        raise AssertionError
    assert not (tmp_path / "state").exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_it_is_process_1_of_a_container_without_rights(tmp_path: Path) -> None:
    """Finding B16, with a process namespace and no capability at all in place of a container."""
    state = tmp_path / "state"
    bare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "setpriv", "--bounding-set", "-all"]
    up = [sys.executable, "-m", "cumulet", "up", "--foreground", "--simulated", "1", "--port-base", "auto", "--json"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")}
    command = [*bare, "--inh-caps=-all", *up, "--state", str(state)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        report = json.loads(process.stdout.readline())
        try:
            line = next(line for line in process.stdout if "joined with 1 hosts" in line)
            assert line.startswith("node: ")
            settings = Settings.load(state)
            Session(settings.local_url("identity"), "demo", settings.secret("demo_password"), "RegionOne")
        finally:
            first = _children(process.pid)
            os.kill(first[0], signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
    assert report["pids"]["supervisor"] > 1
    assert "supervisor: " in rest


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_foreground_cloud_asks_for_its_place(cloud: testing.Cloud) -> None:
    with pytest.raises(testing.CumuletError, match="runs in the background"):
        testing._run(cloud.state, "up", "--foreground", "--simulated", "2")


def test_the_page_of_testing_works(tmp_path: Path) -> None:
    """The example of docs/testing.md, run by pytest with the plugin: the test that passes, and one that fails and shows
    the cloud's log."""
    page = (ROOT / "docs" / "testing.md").read_text()
    example = next(code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "def test_" in code)
    bad = "def test_bad(cumulet):\n    cumulet.host('sim-0001', 'down')\n    assert False\n"
    (tmp_path / "test_example.py").write_text(f"{example}\n\n{bad}")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "pytest", "-p", "cumulet.testing.plugin", "--cumulet-hosts", "1", str(tmp_path)]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert re.search(r"1 failed, [1-9]\d* passed", done.stdout), done.stdout + done.stderr
    assert "the cloud's log" in done.stdout and "POST /v1/simulation" in done.stdout


def test_ports_cannot_be_had_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(listening, "_bind", taken)
    with ExitStack() as held, pytest.raises(CliError, match="9 free ports in a row"):
        listening.hold(held, "127.0.0.1")
