"""An operator's `context_is_admin` counts in rules and in what handlers show without asking one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.assembled import Assembled

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("context") / "state")
    yield found
    found.close()


def made(cloud: Assembled, path: str, noun: str, **fields: str) -> str:
    answer = cloud.ask("identity", "POST", path, body={noun: fields}, token=cloud.admin)
    assert answer.status == 201, answer.body
    return str(answer.json[noun]["id"])


@pytest.fixture(scope="module")
def auditor(cloud: Assembled) -> str:
    """The token of somebody with the roles reader and auditor on a project."""
    name = f"x{uuid.uuid4().hex[:12]}"
    user = made(cloud, "/v3/users", "user", name=name, password=PASSWORD, domain_id="default")
    project = made(cloud, "/v3/projects", "project", name=name, domain_id="default")
    roles = cloud.ask("identity", "GET", "/v3/roles", query="name=reader", token=cloud.admin).json["roles"]
    for role in (roles[0]["id"], made(cloud, "/v3/roles", "role", name="auditor")):
        path = f"/v3/projects/{project}/users/{user}/roles/{role}"
        assert cloud.ask("identity", "PUT", path, token=cloud.admin).status == 204
    return cloud.log_in(name, PASSWORD, {"project": {"id": project}})


@pytest.fixture(scope="module")
def image(cloud: Assembled) -> str:
    """A private image of a project that nobody here belongs to."""
    fields = {"name": "x", "visibility": "private", "owner": uuid.uuid4().hex}
    answer = cloud.ask("image", "POST", "/v2/images", body=fields, token=cloud.admin)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def sees(cloud: Assembled, token: str, image: str) -> tuple[bool, int]:
    """Whether the image is in the list, which asks no rule about it; and what compute answers to a question for
    hypervisors, which does."""
    images = cloud.ask("image", "GET", "/v2/images", token=token)
    assert images.status == 200, images.body
    listed = image in {each["id"] for each in images.json["images"]}
    return listed, cloud.ask("compute", "GET", "/v2.1/os-hypervisors", token=token).status


def test_context_is_admin_makes_administrators(cloud: Assembled, auditor: str, image: str) -> None:
    assert sees(cloud, auditor, image) == (False, 403)
    with cloud.under('"context_is_admin": "role:admin or role:auditor"'):
        assert sees(cloud, auditor, image) == (True, 200)
        assert sees(cloud, cloud.admin, image) == (True, 200)
    assert sees(cloud, auditor, image) == (False, 403)


def test_context_is_admin_unmakes_them(cloud: Assembled, image: str) -> None:
    assert sees(cloud, cloud.admin, image) == (True, 200)
    with cloud.under('"context_is_admin": "role:auditor"'):
        assert sees(cloud, cloud.admin, image) == (False, 403)
