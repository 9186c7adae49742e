"""What `explain` has to tell of images: what happened, and who did it."""

from __future__ import annotations

import json

import httpx

from cumulet.engine import timeline
from cumulet.services.image import door
from tests.services.image.conftest import OCTETS, Images, made, until
from tests.services.serving import PROJECTS

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def test_an_image_s_life(glance: Images, demo: httpx.Client, admin: httpx.Client) -> None:
    image_id = made(demo, name="disk")["id"]
    path = f"/v2/images/{image_id}"
    demo.put(f"{path}/file", content=b"x" * 512, headers=OCTETS)
    change = [{"op": "replace", "path": "/name", "value": "a"}, {"op": "add", "path": "/p", "value": "top-secret"}]
    assert demo.patch(path, content=json.dumps(change), headers=PATCH).status_code == 200
    admin.post(f"{path}/actions/deactivate")
    answer = admin.delete(path)
    with glance.running.db.read() as tx:
        entries = timeline.history(tx, image_id)
        assert [(subject.kind, subject.name) for subject in door.find(tx, "a")] == [("image", "a")]
        assert [subject.id for subject in door.find(tx, image_id)] == [image_id]
    told = [(entry.event, entry.user_name) for entry in entries]
    assert told == [
        ("created", "demo"),
        ("uploaded", "demo"),
        ("updated", "demo"),
        ("deactivated", "admin"),
        ("deleted", "admin"),
    ]
    assert entries[0].project_id == PROJECTS["demo"] and entries[0].user_id is not None
    assert entries[-1].request_id == answer.headers["x-openstack-request-id"]
    assert entries[2].message == "The image was changed: name, properties." and "top-secret" not in str(entries)


def test_an_import_is_told(glance: Images, demo: httpx.Client) -> None:
    image_id = made(demo)["id"]
    demo.put(f"/v2/images/{image_id}/stage", content=b"x" * 512, headers=OCTETS)
    demo.post(f"/v2/images/{image_id}/import", json={"method": {"name": "glance-direct"}})
    until(lambda: demo.get(f"/v2/images/{image_id}").json()["status"] == "active")

    def told() -> list[tuple[str, str | None]]:
        with glance.running.db.read() as tx:
            return [(entry.event, entry.user_name) for entry in timeline.history(tx, image_id)]

    assert until(lambda: told()[2:]) and told() == [("created", "demo"), ("import", "demo"), ("imported", None)]
