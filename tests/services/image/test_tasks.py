"""Tasks over HTTP: for administrators only, and forgotten some time after their end."""

from __future__ import annotations

import httpx

from cumulet.services.image.model import tasks
from cumulet.services.image.tables import tasks as table
from tests.services.image.conftest import Images, made
from tests.services.serving import caller


def begun(glance: Images, image_id: str | None = None) -> str:
    with glance.running.db.transaction() as tx:
        task = tasks.create(tx, caller("demo"), tasks.IMAGE_IMPORT, {"a": 1}, image_id=image_id, request_id="req-1")
    return str(task.id)


def test_the_life_of_a_task(glance: Images, admin: httpx.Client) -> None:
    db, task_id = glance.running.db, begun(glance)
    shown = admin.get(f"/v2/tasks/{task_id}").json()
    assert shown["status"] == "pending" and shown["input"] == {"a": 1} and "expires_at" not in shown
    with db.transaction() as tx:
        assert not tasks.succeed(tx, task_id), "not before it began"
        assert tasks.begin(tx, task_id) and not tasks.begin(tx, task_id)
        assert tasks.succeed(tx, task_id, {"image_id": "x"}) and not tasks.fail(tx, task_id, "late")
    shown = admin.get(f"/v2/tasks/{task_id}").json()
    assert shown["status"] == "success" and shown["result"] == {"image_id": "x"} and shown["message"] == ""
    assert shown["expires_at"] > shown["updated_at"] and shown["schema"] == "/v2/schemas/task"
    listed = admin.get("/v2/tasks").json()["tasks"]
    assert listed[0]["id"] == task_id and "input" not in listed[0] and "result" not in listed[0]


def test_expired_tasks_are_forgotten(glance: Images, admin: httpx.Client, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(tasks, "LIFE_US", -1)
    gone, kept = begun(glance), begun(glance)
    with glance.running.db.transaction() as tx:
        assert tasks.fail(tx, gone, "no")
    assert [one["id"] for one in admin.get("/v2/tasks").json()["tasks"]] == [kept]
    assert admin.get(f"/v2/tasks/{gone}").status_code == 404
    begun(glance)
    with glance.running.db.read() as tx:
        assert [row.id for row in tx.rows_by_key(table, id=gone)] == [], "the next task takes its place"


def test_only_admins_see_tasks(glance: Images, admin: httpx.Client, demo: httpx.Client) -> None:
    task_id = begun(glance)
    for answer in (
        demo.get("/v2/tasks"),
        demo.get(f"/v2/tasks/{task_id}"),
        demo.delete(f"/v2/tasks/{task_id}"),
    ):
        assert answer.status_code == 403
    with glance.client("") as nobody:
        assert nobody.get("/v2/tasks").status_code == 401
    refused = admin.delete(f"/v2/tasks/{task_id}")
    assert refused.status_code == 405 and refused.headers["allow"] == "GET"
    assert admin.get(f"/v2/tasks/{task_id}").status_code == 200


def test_pages_and_filters(glance: Images, admin: httpx.Client) -> None:
    ids = [begun(glance) for _ in range(5)]
    first = admin.get("/v2/tasks?limit=2").json()
    rest = admin.get(first["next"]).json()
    found = [one["id"] for one in (*first["tasks"], *rest["tasks"])]
    assert found == ids[::-1][:4]
    assert admin.get("/v2/tasks?status=success").json()["tasks"] == []
    assert len(admin.get("/v2/tasks?status=pending&type=api_image_import").json()["tasks"]) == 5
    for bad in ("status=done", "type=nope", "limit=x", "sort_dir=up", "sort_key=input", f"marker={'0' * 8}"):
        assert admin.get(f"/v2/tasks?{bad}").status_code == 400, bad


def test_tasks_of_an_image(glance: Images, demo: httpx.Client, other: httpx.Client) -> None:
    image = made(demo)
    task_id = begun(glance, image["id"])
    begun(glance)
    shown = demo.get(f"/v2/images/{image['id']}/tasks").json()["tasks"]
    assert [one["id"] for one in shown] == [task_id] and shown[0]["request_id"] == "req-1"
    assert other.get(f"/v2/images/{image['id']}/tasks").status_code == 404


def test_schemas(demo: httpx.Client) -> None:
    assert set(demo.get("/v2/schemas/task").json()["properties"]["type"]["enum"]) == set(tasks.TYPES)
    stub = demo.get("/v2/schemas/tasks").json()["properties"]["tasks"]["items"]["properties"]
    assert "input" not in stub and "status" in stub
