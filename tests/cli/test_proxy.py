"""The example of docs/proxy/nginx.conf with a real nginx, where there is one: a client that knows only the proxy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.cli.api_client import Session, call
from cumulet.config import standard_ports
from tests.cli.simulated import SimulatedCloud
from tests.ports import free_ports

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "proxy" / "nginx.conf"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")]


@pytest.fixture
def proxied() -> Iterator[tuple[SimulatedCloud, str]]:
    """A cloud, and the URL of an nginx in front of it, with the example's own lines but for ports and certificates."""
    folder = Path(tempfile.mkdtemp(prefix="cumulet-proxy-"))
    folder.chmod(0o755)
    base = free_ports(10)
    cloud, url = SimulatedCloud(folder / "state", base), f"http://127.0.0.1:{base + 9}"
    text = re.sub(r".*ssl_certificate.*\n", "", EXAMPLE.read_text())
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{base + 9}").replace("Host $host;", "Host $http_host;")
    for place, port in enumerate(standard_ports().values()):
        text = text.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{base + place}/")
    logs = f"error_log {folder}/error.log; pid {folder}/pid;"
    paths = "".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"{logs} daemon off; events {{}} http {{ access_log off; {paths}\n{text}\n}}")
    cloud.up("--public-url", url, "--trusted-proxy", "127.0.0.1")
    nginx = subprocess.Popen([str(shutil.which("nginx")), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
    try:
        yield cloud, url
    finally:
        nginx.terminate()
        nginx.communicate(timeout=10)
        cloud("down", "--purge")
        shutil.rmtree(folder, ignore_errors=True)


def test_a_client_needs_to_know_the_proxy_only(proxied: tuple[SimulatedCloud, str]) -> None:
    cloud, url = proxied
    end = time.monotonic() + 10
    while True:
        try:
            call("GET", f"{url}/identity/v3", {})
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
    admin = Session(f"{url}/identity", "admin", cloud.settings.secret("admin_password"), "RegionOne")
    assert admin.url("compute") == f"{url}/compute/v2.1"
    assert admin.named("network", "networks", "provider") is not None
    assert admin.named("image", "images", "cirros") is not None
    flavors = admin.request("GET", "compute", "/flavors?limit=1")
    following = flavors["flavors_links"][0]["href"]
    assert following.startswith(f"{url}/compute/v2.1/flavors?")
    headers = {"X-Auth-Token": admin.token, "X-Forwarded-Proto": "gopher", "X-Forwarded-Prefix": "/evil"}
    status, _, text = call("GET", following, headers)
    assert status == 200 and json.loads(text)["flavors"] and b"/evil" not in text
    for service in ("identity", "image", "compute", "networking", "placement"):
        status, _, text = call("GET", f"{url}/{service}/", {"Accept": "application/json"})
        links = re.findall(rb'"href": ?"(http[^"]*)"', text)
        assert status in (200, 300) and all(link.startswith(f"{url}/{service}/".encode()) for link in links), text
    assert call("GET", f"{url}/console/vnc_lite.html", {})[0] in (200, 404)  # noVNC may not be installed
