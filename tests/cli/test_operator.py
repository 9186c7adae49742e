"""What an operator set stays set: over restarts, whatever has become of admin's password; secrets are replaced while
the cloud runs."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cumulet.cli.api_client import ApiError, Session, call
from cumulet.cli.secret import KINDS
from cumulet.config import metadata_secrets
from tests.cli.simulated import SimulatedCloud
from tests.cli.test_up import mode
from tests.ports import free_ports


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    folder = Path(tempfile.mkdtemp(prefix="cumulet-operator-"))
    folder.chmod(0o755)  # root's cloud runs as a user of its own, who has to get there
    made = SimulatedCloud(folder / "state", free_ports(9))
    made.up(hosts=3)
    yield made
    made("down", "--purge")
    shutil.rmtree(folder, ignore_errors=True)


def user(admin: Session, name: str) -> dict | None:
    found = admin.request("GET", "identity", f"/users?name={name}")["users"]
    return found[0] if found else None


def test_what_was_deleted_stays_so_and_up_needs_no_password(cloud: SimulatedCloud) -> None:
    """B4 and B5: demo's user, project and network, a flavor, the image and admin's grant do not come back; up and
    status work with an admin whose password, second factor and lock nobody knows."""
    admin = cloud.session()
    demo = user(admin, "demo")
    project = admin.request("GET", "identity", "/projects?name=demo")["projects"][0]
    image = admin.named("image", "images", "cirros")
    assert demo is not None and image is not None
    admin.request("DELETE", "identity", f"/users/{demo['id']}")
    admin.request("DELETE", "identity", f"/projects/{project['id']}")
    admin.request("DELETE", "compute", "/flavors/1")
    admin.request("DELETE", "image", f"/images/{image['id']}")
    me = user(admin, "admin")
    assert me is not None
    body = {"password": "another one", "options": {"multi_factor_auth_enabled": True,
            "multi_factor_auth_rules": [["password", "totp"]]}}  # fmt: skip
    admin.request("PATCH", "identity", f"/users/{me['id']}", {"user": body})
    cloud.ok("down")
    assert "The cloud is up" in cloud.up(hosts=2)
    found = json.loads(cloud("status", "--json").stdout)
    assert found["running"] and [(node["host"], node["up"]) for node in found["nodes"]] == [
        ("sim-0001", True),
        ("sim-0002", True),
    ]  # the third went by itself
    assert any("secrets/admin_password` is no longer admin's" in text for text in found["problems"])

    told = cloud.ok("admin", "password")
    assert "admin-openrc" in told and "second factor is still asked for" in told
    assert cloud.settings.secret("admin_password") not in told
    assert mode(cloud.settings.secrets_dir / "admin_password") == mode(cloud.state / "admin-openrc") == 0o600
    with pytest.raises(ApiError):
        cloud.session()


def test_admins_password_is_mended_whatever_happened(cloud: SimulatedCloud) -> None:
    """Deleted, admin is made again, with the roles; a password of one's own is taken from a file or refused."""
    before = cloud.settings.secret("admin_password")
    done = cloud("admin", "password", "--password-file", "-", text=" spaces \n")
    assert done.returncode == 1 and "nothing was changed" in done.stderr
    with_link(cloud, "DELETE")
    assert "again, with its roles" in cloud.ok("admin", "password", "--password-file", "-", text="chosen by hand\n")
    assert cloud.settings.secret("admin_password") == "chosen by hand" != before
    assert "chosen by hand" in (cloud.state / "clouds.yaml").read_text()
    admin = cloud.session()
    assert user(admin, "demo") is None and admin.named("image", "images", "cirros") is None
    assert {flavor["id"] for flavor in admin.request("GET", "compute", "/flavors")["flavors"]} >= {"0", "42"}
    assert "1" not in {flavor["id"] for flavor in admin.request("GET", "compute", "/flavors")["flavors"]}
    problems = json.loads(cloud("status", "--json").stdout)["problems"]
    assert not any("admin" in text for text in problems)


def test_an_admin_without_roles(cloud: SimulatedCloud) -> None:
    """What was taken away stays so, and is said; when nobody is left who could give it back, admin has it again."""
    admin = cloud.session()
    me = user(admin, "admin")
    roles = admin.request("GET", "identity", "/roles?name=admin")["roles"]
    other = admin.request("POST", "identity", "/users", {"user": {"name": "other", "password": "other's own"}})["user"]
    assert me is not None
    system = f"/system/users/{{}}/roles/{roles[0]['id']}"
    project = f"/projects/{admin.project_id}/users/{{}}/roles/{roles[0]['id']}"
    admin.request("PUT", "identity", system.format(other["id"]))
    assert "role" not in cloud.ok("admin", "password")
    admin = cloud.session()
    admin.request("DELETE", "identity", system.format(me["id"]))
    admin.request("DELETE", "identity", project.format(me["id"]))
    assert "It has no role admin" in cloud.ok("admin", "password")
    with pytest.raises(ApiError):
        cloud.session()
    with sqlite3.connect(cloud.state / "db" / "cumulet.sqlite") as connection:
        connection.execute("DELETE FROM identity_assignments WHERE actor_id = ?", [other["id"]])
    assert "Nobody had the role admin any more" in cloud.ok("admin", "password")
    assert user(cloud.session(), "other") is not None


def with_link(cloud: SimulatedCloud, method: str) -> None:
    """Delete the user admin: as a service's user, whose role admin is the cloud's on the project service."""
    service = cloud.settings.secret("service_password")
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": "nova", "domain": {"id": "default"}, "password": service}},
            },
            "scope": {"project": {"name": "service", "domain": {"id": "default"}}},
        }
    }
    identity = cloud.settings.local_url("identity")
    _, headers, _ = call(
        "POST", f"{identity}/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps(body).encode()
    )
    token = {"X-Auth-Token": headers["x-subject-token"]}
    _, _, text = call("GET", f"{identity}/v3/users?name=admin", token)
    status, _, _ = call(method, f"{identity}/v3/users/{json.loads(text)['users'][0]['id']}", token)
    assert status == 204


def test_endpoints_follow_until_somebody_sets_one(cloud: SimulatedCloud) -> None:
    """B6: behind a proxy the catalog names it, and so does every link; what an operator has set is never touched."""
    admin = cloud.session()
    endpoints = admin.request("GET", "identity", "/endpoints")["endpoints"]
    service = admin.request("GET", "identity", "/services?type=image")["services"][0]["id"]
    mine = next(e for e in endpoints if (e["service_id"], e["interface"]) == (service, "public"))
    chosen = {"endpoint": {"url": "https://images.example.org"}}
    admin.request("PATCH", "identity", f"/endpoints/{mine['id']}", chosen)
    cloud.ok("down")
    cloud.up("--public-url", "https://cloud.example.org", "--trusted-proxy", "127.0.0.1", hosts=2)
    told = {"Host": "x", "X-Forwarded-Host": "cloud.example.org", "X-Forwarded-Proto": "https"}
    token, catalog = log_in(cloud, "admin", told)
    urls = {s["type"]: {e["interface"]: e["url"] for e in s["endpoints"]} for s in catalog}
    assert urls["image"]["public"] == "https://images.example.org"
    assert urls["image"]["internal"] == "https://cloud.example.org/image"
    assert urls["compute"]["public"] == "https://cloud.example.org/compute/v2.1"
    assert urls["network"]["public"] == "https://cloud.example.org/networking"
    with_token = {"X-Auth-Token": token, **told}
    paths = {
        "identity": ("/", "/v3", "/v3/users?limit=1"),
        "compute": ("/", "/compute/v2.1/", "/v2.1/flavors?limit=1"),
        "network": ("/", "/v2.0/", "/v2.0/networks?limit=1"),
        "image": ("/",),
    }
    for name, each in paths.items():
        base = cloud.settings.url(name)
        assert base.startswith("https://cloud.example.org/")
        for path in each:
            status, _, text = call("GET", cloud.settings.local_url(name) + path, with_token)
            links = [link for link in json.dumps(json.loads(text)).split('"') if link.startswith("http")]
            assert status in (200, 300) and links, (name, path, text)
            assert all(link.startswith(f"{base}/") for link in links if "docs.openstack" not in link), (path, links)
    assert not any("down" in text for text in json.loads(cloud("status", "--json").stdout)["problems"])
    cloud.ok("down")
    settings = cloud.settings.file
    settings.write_text(settings.read_text().replace('public_url = ["https://cloud.example.org"]', "public_url = []"))
    cloud.up(hosts=2)
    found = {e["url"] for e in cloud.session().request("GET", "identity", "/endpoints")["endpoints"]}
    assert "https://images.example.org" in found
    assert all(url.startswith("http://127.0.0.1:") for url in found - {"https://images.example.org"})
    back = {"endpoint": {"url": cloud.settings.local_url("image")}}
    cloud.session().request("PATCH", "identity", f"/endpoints/{mine['id']}", back)


def log_in(cloud: SimulatedCloud, user: str, headers: dict[str, str]) -> tuple[str, list]:
    """A token for the project of the user's name, and its catalog."""
    named = {"name": user, "domain": {"id": "default"}}
    account = named | {"password": cloud.settings.secret(f"{user}_password")}
    auth = {"identity": {"methods": ["password"], "password": {"user": account}}, "scope": {"project": named}}
    url = cloud.settings.local_url("identity") + "/v3/auth/tokens"
    status, answer, text = call(
        "POST", url, {"Content-Type": "application/json", **headers}, json.dumps({"auth": auth}).encode()
    )
    assert status == 201, text
    return answer["x-subject-token"], json.loads(text)["token"]["catalog"]


def test_hosts_that_are_gone_can_be_removed(cloud: SimulatedCloud) -> None:
    """B12: fewer simulated hosts are fewer hosts; one that has a server stays, down, until the server is deleted."""
    admin = cloud.session()
    image = {"name": "empty", "disk_format": "raw", "container_format": "bare"}
    made = admin.request("POST", "image", "/images", image)
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
        file.seek(0)
        admin.upload("image", f"/images/{made['id']}/file", file)
    body = {"name": "s", "flavorRef": "42", "imageRef": made["id"], "availability_zone": "nova:sim-0002"}
    server = admin.request("POST", "compute", "/servers", {"server": body})["server"]["id"]
    until(lambda: admin.request("GET", "compute", f"/servers/{server}")["server"]["status"] == "ACTIVE")
    text = cloud.ok("down") and cloud.up(hosts=1)
    assert "No longer there, and down: sim-0002" in text
    services = {row["host"]: row for row in compute_services(admin)}
    assert (services["sim-0001"]["state"], services["sim-0002"]["state"]) == ("up", "down")
    delete = f"/os-services/{services['sim-0002']['id']}"
    for path, code in ((delete, 409), (f"/os-services/{services['sim-0001']['id']}", 409), ("/os-services/x", 404)):
        with pytest.raises(ApiError) as refused:
            admin.request("DELETE", "compute", path)
        assert refused.value.code == code, path
    agents = [a for a in admin.request("GET", "network", "/agents")["agents"] if a["host"] == "sim-0002"]
    assert agents and not any(agent["alive"] for agent in agents)
    admin.request("DELETE", "network", f"/agents/{agents[0]['id']}")
    left = [a["id"] for a in admin.request("GET", "network", "/agents")["agents"]]
    assert agents[0]["id"] not in left and len(left) > 1
    admin.request("DELETE", "compute", f"/servers/{server}")
    until(lambda: not admin.request("GET", "compute", "/servers")["servers"])
    admin.request("DELETE", "compute", delete)
    assert {row["host"] for row in compute_services(admin)} == {"sim-0001"}
    assert [h["hypervisor_hostname"] for h in admin.request("GET", "compute", "/os-hypervisors")["hypervisors"]] == [
        "sim-0001"
    ]


def compute_services(admin: Session) -> list[dict]:
    return list(admin.request("GET", "compute", "/os-services?binary=nova-compute")["services"])


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_every_secret_is_replaced_while_the_cloud_works(cloud: SimulatedCloud) -> None:
    """The one before opens nothing, and nothing fails meanwhile: the node is heard of, the CLI and admin get in."""
    secrets = cloud.settings.secrets_dir
    link = cloud.settings.local_url("link")
    joined = cloud.settings.node_dir / "link.json"
    before = {name: (secrets / name).read_text().strip() for name in ("operator_secret", "metadata_secret")}
    node = json.loads(joined.read_text())
    listed = cloud.ok("secret", "--list")
    assert "admin_password" in listed and not any(text in listed for text in before.values())
    for name in KINDS.keys() - {"demo_password", "database_url", "tls_server"}:
        told = cloud.ok("secret", "rotate", name)
        assert not any(path.read_text().strip() in told for path in secrets.glob("*_*"))
    assert {mode(path) for path in secrets.glob("*_*")} == {0o600}
    status, _, _ = call("GET", f"{link}/v1/status", {"Authorization": f"Bearer {before['operator_secret']}"})
    assert status == 401
    fresh = json.loads(joined.read_text())
    assert (fresh["link_id"], fresh["secret"] != node["secret"]) == (node["link_id"], True)
    headers = {"X-Cumulet-Link": node["link_id"], "X-Cumulet-Secret": node["secret"], "X-Cumulet-Seen": "-"}
    status, _, _ = call("GET", f"{link}/v1/desired?since=0", headers)
    assert status == 401
    assert metadata_secrets(secrets) == [(secrets / "metadata_secret").read_text().strip(), before["metadata_secret"]]
    (secrets / "metadata_secret.before").unlink()
    assert before["metadata_secret"] not in metadata_secrets(secrets)
    cloud.session()
    found = json.loads(cloud("status", "--json").stdout)
    assert all(node["up"] for node in found["nodes"]) and not any("secret" in text for text in found["problems"])
    assert "no user named demo" in cloud("secret", "rotate", "demo_password").stderr  # an operator deleted it
    assert "plain HTTP" in cloud("secret", "rotate", "tls_server").stderr
    assert "ALTER ROLE" in cloud("secret", "rotate", "database_url").stderr
    assert "there is no secret named nonsense" in cloud("secret", "rotate", "nonsense").stderr
    logs = "".join(path.read_text() for path in cloud.settings.log_dir.glob("*.log"))
    assert not any(path.read_text().strip() in logs for path in secrets.glob("*_*"))
    assert not any(text in logs for text in (*before.values(), node["secret"], fresh["secret"]))
