"""What `explain` has to tell of users, projects, networks and subnets: what happened, and who did it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.engine import timeline
from tests.assembled import Assembled


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("timelines") / "state")
    yield found
    found.close()


def told(cloud: Assembled, subject: str) -> list[tuple[str, str | None, str]]:
    with cloud.controller.db.read() as tx:
        return [(entry.event, entry.user_name, entry.message) for entry in timeline.history(tx, subject)]


def done(cloud: Assembled, service: str, method: str, path: str, body: Any = b"") -> Any:
    answer = cloud.ask(service, method, path, token=cloud.admin, body=body)
    assert answer.status < 300, answer.body
    return answer.json if answer.body else None


def test_first_users_and_projects_have_a_beginning(cloud: Assembled) -> None:
    for kind in ("users", "projects"):
        for row in done(cloud, "identity", "GET", f"/v3/{kind}")[kind]:
            if row["name"] in ("admin", "demo", "service", "nova"):
                assert told(cloud, row["id"])[0][0] == "created", row["name"]


def test_the_life_of_a_user(cloud: Assembled) -> None:
    project = done(cloud, "identity", "POST", "/v3/projects", {"project": {"name": "shop"}})["project"]["id"]
    body = {"user": {"name": "anna", "password": "first-secret"}}
    user = done(cloud, "identity", "POST", "/v3/users", body)["user"]["id"]
    roles = done(cloud, "identity", "GET", "/v3/roles")["roles"]
    role = next(row["id"] for row in roles if row["name"] == "member")
    for _ in range(2):  # granting it again is nothing that happened
        done(cloud, "identity", "PUT", f"/v3/projects/{project}/users/{user}/roles/{role}")
    done(cloud, "identity", "PUT", f"/v3/OS-INHERIT/projects/{project}/users/{user}/roles/{role}/inherited_to_projects")
    change = {"user": {"original_password": "first-secret", "password": "second-secret"}}
    assert cloud.ask("identity", "POST", f"/v3/users/{user}/password", token=cloud.admin, body=change).status == 204
    done(cloud, "identity", "DELETE", f"/v3/projects/{project}/users/{user}/roles/{role}")
    done(cloud, "identity", "DELETE", f"/v3/users/{user}")
    found = told(cloud, user)
    assert [event for event, _, _ in found] == ["created", "granted", "granted", "password", "revoked", "deleted"]
    assert {who for event, who, _ in found if event != "password"} == {"admin"}
    assert found[1][2] == f"The role member was granted on the project {project}."
    assert found[2][2] == f"The role member was granted on the project {project} and all below it."
    assert found[4][2] == f"The role member was taken away on the project {project}."
    assert "secret" not in str(found)


def test_what_the_operator_did_to_admin(cloud: Assembled) -> None:
    headers = {"authorization": f"Bearer {cloud.settings.secret('operator_secret')}"}
    body = {"password": "of-the-service-users"}
    answer = cloud.ask("link", "PUT", "/v1/passwords/service_password", headers=headers, body=body)
    assert answer.status == 200
    users = done(cloud, "identity", "GET", "/v3/users")["users"]
    nova = next(row["id"] for row in users if row["name"] == "nova")
    assert told(cloud, nova)[-1] == ("password", None, "The operator of the cloud gave the user a new password.")


def test_the_life_of_a_network_and_of_its_subnets(cloud: Assembled) -> None:
    network = done(cloud, "network", "POST", "/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
    subnets = []
    for cidr in ("10.1.0.0/24", "10.2.0.0/24"):
        body = {"subnet": {"network_id": network, "ip_version": 4, "cidr": cidr, "name": "s"}}
        subnets.append(done(cloud, "network", "POST", "/v2.0/subnets", body)["subnet"]["id"])
    done(cloud, "network", "PUT", f"/v2.0/networks/{network}", {"network": {"name": "m", "description": ""}})
    done(cloud, "network", "PUT", f"/v2.0/subnets/{subnets[0]}", {"subnet": {"enable_dhcp": False}})
    done(cloud, "network", "DELETE", f"/v2.0/subnets/{subnets[0]}")
    done(cloud, "network", "DELETE", f"/v2.0/networks/{network}")
    assert [(event, who, text) for event, who, text in told(cloud, network)] == [
        ("created", "admin", "The network was created."),
        ("updated", "admin", "The network was changed: name."),
        ("deleted", "admin", "The network was deleted, and its subnets."),
    ]
    assert [text for _, _, text in told(cloud, subnets[0])] == [
        "The subnet was created, with 10.1.0.0/24.",
        "The subnet was changed: enable_dhcp.",
        "The subnet was deleted.",
    ]
    assert [event for event, _, _ in told(cloud, subnets[1])] == ["created", timeline.DELETED]
