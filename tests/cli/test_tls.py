"""A cloud that speaks TLS, started as a user types it: verbs, credentials files and a real client's library agree."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from keystoneauth1 import identity, session

from tests.ports import free_ports
from tests.reach import passable


class Cloud:
    def __init__(self, state: Path) -> None:
        self.state, self.base = state, free_ports(9)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cumulet.cli.main", *words, "--state", str(self.state)]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("tls")
    passable(folder)
    found = Cloud(folder / "state")
    done = found("up", "--simulated", "--tls", "--port-base", str(found.base))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{found.state}/ca.crt" in done.stdout + done.stderr
    yield found
    assert found("down", "--purge").returncode == 0


def test_a_clients_library_works_with_clouds_yaml(cloud: Cloud) -> None:
    found = yaml.safe_load((cloud.state / "clouds.yaml").read_text())["clouds"]["cumulet"]
    assert found["auth"]["auth_url"].startswith("https://")
    words = {name: value for name, value in found["auth"].items() if "domain" not in name}
    password = identity.Password(**words, user_domain_name="Default", project_domain_name="Default")
    client = session.Session(auth=password, verify=found["cacert"])
    for service in ("compute", "image", "network", "placement"):
        url = client.get_endpoint(service_type=service, interface="public")
        assert url is not None and url.startswith("https://")
        assert client.get("/", endpoint_filter={"service_type": service, "interface": "public"}).status_code < 400
    with pytest.raises(httpx.ConnectError):
        httpx.get(found["auth"]["auth_url"])


def test_openrc_names_the_authority(cloud: Cloud) -> None:
    text = (cloud.state / "admin-openrc").read_text()
    assert f"OS_CACERT={cloud.state}/ca.crt" in text


def test_links_lead_to_https(cloud: Cloud) -> None:
    url = f"https://127.0.0.1:{cloud.base + 3}/"
    answer = httpx.get(url, verify=ssl.create_default_context(cafile=cloud.state / "ca.crt"))
    assert all(link["href"].startswith("https://") for v in answer.json()["versions"] for link in v["links"])


def test_status_and_a_second_up_see_a_cloud_that_is_well(cloud: Cloud) -> None:
    done = cloud("status")
    assert done.returncode == 0 and "https://127.0.0.1" in done.stdout, done.stdout
    assert "already up" in (again := cloud("up", "--simulated")).stdout + again.stderr


def test_the_link_stays_plain_and_on_loopback(cloud: Cloud) -> None:
    assert httpx.get(f"http://127.0.0.1:{cloud.base + 8}/v1/status").status_code == 401
