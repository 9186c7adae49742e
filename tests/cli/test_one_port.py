"""A cloud whose APIs are all on one port, each below a path: clients find everything there by the catalog."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.cli.api_client import Session, call
from cumulet.introduction import introductions
from tests.cli.simulated import SimulatedCloud
from tests.ports import free_ports

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CLIENT = """
import openstack
cloud, admin = (openstack.connect(cloud=each) for each in ("cumulet", "cumulet-admin"))
image = next(cloud.image.images())
network = cloud.network.create_network(name="one")
subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.7.0.0/24")
flavor = min(cloud.compute.flavors(), key=lambda each: each.ram)
made = cloud.compute.create_server(name="one", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}])
cloud.compute.wait_for_server(made, wait=60)
assert cloud.compute.create_console(made, console_type="novnc")["url"].startswith(cloud.config.auth["auth_url"][:-12])
assert list(admin.identity.projects()) and list(admin.placement.resource_providers())
print(*sorted({cloud.session.get_endpoint(service_type=each) for each in TYPES}))
"""


def client() -> Path | None:
    """The Python of the official client's environment; None when there is none."""
    env = os.environ
    places = [env.get("CUMULET_CLIENT_ENV", ""), f"{env.get('CUMULET_ENV', '')}-client", str(ROOT / ".venv-client")]
    found = [python for place in places if place and (python := Path(place) / "bin" / "python").exists()]
    return found[0] if found else None


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    folder = Path(tempfile.mkdtemp(prefix="cumulet-one-port-"))
    folder.chmod(0o755)
    found = SimulatedCloud(folder / "state", free_ports(9))
    found.up("--one-port")
    yield found
    found("down", "--purge")
    shutil.rmtree(folder, ignore_errors=True)


def test_every_api_is_below_its_path(cloud: SimulatedCloud) -> None:
    at, settings = f"http://127.0.0.1:{cloud.base}", cloud.settings
    assert settings.auth_url == f"{at}/identity/v3"
    for each in introductions():
        assert settings.url(each.type).startswith(f"{at}{each.prefix}" if each.prefix else "http://127.0.0.1:")
    admin = Session(f"{at}/identity", "admin", settings.secret("admin_password"), "RegionOne")
    assert admin.url("compute") == f"{at}/compute/v2.1"
    for each in (each for each in introductions() if each.project):
        status, _, text = call("GET", f"{at}{each.prefix}/", {"Accept": "application/json"})
        links = re.findall(rb'"href": ?"(http[^"]*)"', text)
        assert status in (200, 300) and all(link.startswith(f"{at}{each.prefix}/".encode()) for link in links), text
        assert call("GET", f"{at}{each.prefix}/healthcheck", {})[0] == 200
    assert call("GET", f"{at}/networking/", {})[0] == 404
    following = admin.request("GET", "compute", "/flavors?limit=1")["flavors_links"][0]["href"]
    assert following.startswith(f"{at}/compute/v2.1/flavors?")
    status, _, text = call("GET", following, {"X-Auth-Token": admin.token})
    assert status == 200 and json.loads(text)["flavors"]


def test_beside_them_is_nothing(cloud: SimulatedCloud) -> None:
    at = f"http://127.0.0.1:{cloud.base}"
    for path in ("/", "/v3", "/computer/v2.1", "/%63ompute/v2.1/"):
        status, _, text = call("GET", at + path, {})
        assert status == 404 and b"/identity, /image" in text, path
    assert call("GET", f"{at}/healthcheck", {})[0] == 200
    listening = {number for number in range(9) if _listens(cloud.base + number)}
    assert listening == {0, 6, 8}, "the one port, and what never leaves the machine: metadata and the link"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(client() is None, reason="needs the official client (./cumulet openstack makes its environment)")
def test_the_official_client_works_through_it(cloud: SimulatedCloud) -> None:
    types = [each.type for each in introductions() if each.project]
    env = {"OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml"), "PATH": "/usr/bin:/bin", "HOME": str(cloud.state)}
    words = [str(client()), "-c", CLIENT.replace("TYPES", repr(types))]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert all(url.startswith(f"http://127.0.0.1:{cloud.base}/") for url in done.stdout.split())


def test_a_cloud_goes_back_to_ports_of_their_own(cloud: SimulatedCloud) -> None:
    cloud.ok("down")
    cloud.up("--no-one-port")
    assert cloud.session().url("compute") == f"http://127.0.0.1:{cloud.base + 3}/v2.1"
