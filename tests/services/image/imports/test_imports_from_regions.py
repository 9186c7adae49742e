"""Imports of an image that another region has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.image.conftest import OCTETS, Images, ended, made, served
from tests.services.image.imports.importing import DATA, ask, context_of, moody, nothing
from tests.services.image.webserver import Web


def remote(glance: Images, client: httpx.Client, image_id: str, source: str, region: str = "elsewhere") -> Any:
    def endpoint(_tx: Any, region: str, interface: str) -> str | None:
        return f"{glance.running.url}/" if (region, interface) == ("elsewhere", "public") else None

    glance.context.endpoint = endpoint
    where = {"glance_region": region, "glance_image_id": source, "glance_service_interface": None}
    return ask(client, image_id, "glance-download", where)


def test_glance_download(glance: Images, demo: httpx.Client) -> None:
    kept = {"hw_cpu_cores": "5", "trait:STORAGE_DISK_SSD": "required", "os_distro": "rhel"}
    source = made(demo, **kept, speed="88mph", owner_specified="x")["id"]
    demo.put(f"/v2/images/{source}/file", content=DATA, headers=OCTETS)
    image_id = made(demo, hw_cpu_cores="1", mine="y", disk_format="iso", container_format="ovf")["id"]
    assert remote(glance, demo, image_id, source).status_code == 202
    task = ended(demo, image_id)
    assert task["status"] == "success", task
    assert "demo" not in str(task["input"]), "the token is kept nowhere"
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert kept.items() <= shown.items() and shown["mine"] == "y" and "speed" not in shown
    assert (shown["disk_format"], shown["container_format"]) == ("raw", "bare")
    assert demo.get(f"/v2/images/{image_id}/file").content == DATA and glance.jobs() == []


def test_glance_download_that_fails(glance: Images, demo: httpx.Client, other: httpx.Client) -> None:
    foreign = made(other)["id"]
    other.put(f"/v2/images/{foreign}/file", content=DATA, headers=OCTETS)
    empty = made(demo, hw_cpu_cores="5")["id"]
    for source, region in ((foreign, "elsewhere"), (empty, "elsewhere"), (empty, "not a region")):
        image_id = made(demo, hw_cpu_cores="1")["id"]
        assert remote(glance, demo, image_id, source, region).status_code == 202
        assert ended(demo, image_id)["status"] == "failure"
        nothing(glance, demo, image_id)
        assert demo.get(f"/v2/images/{image_id}").json()["hw_cpu_cores"] == "1"
    assert glance.jobs() == []


def test_glance_download_gives_back_what_it_took(
    glance: Images, demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(demo, hw_cpu_cores="5")["id"]
    demo.put(f"/v2/images/{source}/file", content=DATA, headers=OCTETS)
    image_id = made(demo, disk_format="iso", hw_cpu_cores="1")["id"]
    moody(glance).away = True
    glance.context.endpoint = lambda _tx, _region, _interface: glance.running.url
    where = {"glance_region": "x", "glance_image_id": source}
    assert ask(demo, image_id, "glance-download", where, stores=["file", "moody"]).status_code == 202
    assert ended(demo, image_id)["status"] == "failure"
    nothing(glance, demo, image_id, "file,moody")
    shown = demo.get(f"/v2/images/{image_id}").json()
    assert shown["disk_format"] == "iso" and shown["hw_cpu_cores"] == "1"


@pytest.mark.parametrize("same_key", [True, False])
def test_glance_download_after_the_process_died(tmp_path: Path, web: Web, same_key: bool) -> None:
    """The client's token lies sealed in the row of the job, and the next process that has the key goes on with it."""
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        source = made(client)["id"]
        client.put(f"/v2/images/{source}/file", content=DATA, headers=OCTETS)
        image_id = made(client)["id"]
        first.kill()
        assert remote(first, client, image_id, source).status_code == 202
        (job,) = first.jobs()
        assert job.given["token"] != "demo" and first.context.sealing.opened(job.given["token"]) == "demo"
    context = context_of(tmp_path, web)
    if same_key:
        context.sealing = first.context.sealing
    context.endpoint = lambda _tx, _region, _interface: second.running.url
    with served(context, tmp_path / "state.db") as second, second.client("demo") as client:
        task = ended(client, image_id)
        if same_key:
            assert task["status"] == "success", task
            assert client.get(f"/v2/images/{image_id}/file").content == DATA
        else:
            assert "can no longer be read" in task["message"]
            nothing(second, client, image_id)
        assert second.jobs() == []
