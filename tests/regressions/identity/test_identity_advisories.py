"""Identity: EC2 credentials as identity services have been broken by them, tried against ours (cases 18 to 20).

The other cases of identity are beside the nouns that they are about: `tests/services/identity`.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.services.identity.conftest import PASSWORD
from tests.services.identity.test_credentials import ec2_blob, me
from tests.services.identity.test_nouns import fresh, made, message
from tests.services.identity.test_roles import role_id
from tests.services.identity.test_signed_requests import EC2, S3, Holder, request, s3_v1, signed


def application_credential(holder: Holder, **more: Any) -> httpx.Client:
    """Somebody who has only an application credential of the holder."""
    login = holder.cloud.login(holder.name, PASSWORD, {"project": {"id": holder.project}})
    with holder.cloud.client(login.headers["x-subject-token"]) as owner:
        body = {"application_credential": {"name": fresh(), **more}}
        made_one = owner.post(f"/v3/users/{holder.user}/application_credentials", json=body)
    assert made_one.status_code == 201, made_one.text
    keys = {key: made_one.json()["application_credential"][key] for key in ("id", "secret")}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": keys}}
    answer = holder.cloud.http.post("/v3/auth/tokens", json={"auth": auth})
    return holder.cloud.client(answer.headers["x-subject-token"])


def test_18_cve_2020_12691_a_credential_stays_its_users(holder: Holder, demo: httpx.Client) -> None:
    told, theirs = me(demo), me(holder.admin)
    blob = ec2_blob()
    fields = {"type": "ec2", "user_id": told["user"]["id"], "project_id": told["project"]["id"]}
    row = made(demo, "credential", blob=blob, **fields)
    path = f"/v3/credentials/{row['id']}"
    for change in ({"user_id": theirs["user"]["id"]}, {"project_id": theirs["project"]["id"]}):
        assert demo.patch(path, json={"credential": {"blob": blob, **change}}).status_code == 400
    keys = json.loads(blob)
    token = holder.ask(signed(keys["secret"], request("2", keys["access"]))).json()["token"]
    assert (token["user"]["id"], token["project"]["id"]) == (fields["user_id"], fields["project_id"])
    for_other = {**fields, "user_id": theirs["user"]["id"]}
    assert demo.post("/v3/credentials", json={"credential": {"blob": ec2_blob(), **for_other}}).status_code == 403


def test_18_cve_2020_12689_a_credential_for_another_project_gives_nothing(holder: Holder) -> None:
    """Whoever is a member of one project signs for no other, whatever the credential says."""
    foreign = made(holder.admin, "project", name=fresh())["id"]
    login = holder.cloud.login(holder.name, PASSWORD, {"project": {"id": holder.project}})
    blob = ec2_blob()
    with holder.cloud.client(login.headers["x-subject-token"]) as owner:
        made(owner, "credential", blob=blob, type="ec2", user_id=holder.user, project_id=foreign)
    keys = json.loads(blob)
    assert holder.ask(signed(keys["secret"], request("2", keys["access"]))).status_code == 401


@pytest.mark.parametrize("unrestricted", [False, True])
def test_18_cve_2020_12689_no_delegation_makes_a_credential(unrestricted: bool, holder: Holder) -> None:
    with application_credential(holder, roles=[{"name": "reader"}], unrestricted=unrestricted) as client:
        fields = {"type": "ec2", "user_id": holder.user, "project_id": holder.project}
        answers = [
            client.post("/v3/credentials", json={"credential": {"blob": ec2_blob(), **fields}}),
            client.post(f"/v3/users/{holder.user}/credentials/OS-EC2", json={"tenant_id": holder.project}),
            client.get(f"/v3/users/{holder.user}/credentials/OS-EC2/{holder.access}"),
        ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert holder.secret not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("version", ["1", "2", "4"])
def test_19_cve_2020_12692_a_signature_is_no_secret_for_ever(version: str, holder: Holder) -> None:
    old = signed(holder.secret, request(version, holder.access, -20 * 60))
    assert (holder.ask(old).status_code, message(holder.ask(old))) == (401, "Credential is expired")


@pytest.mark.parametrize("path", [EC2, S3])
def test_19_cve_2025_65073_a_presigned_request_is_no_token(
    path: str,
    holder: Holder,
    demo: httpx.Client,
) -> None:
    """OSSA-2025-002: only services and administrators have signatures checked."""
    body = signed(holder.secret, request("2", holder.access)) if path == EC2 else s3_v1(holder.secret, holder.access)
    named = {"credentials": body}
    assert holder.cloud.http.post(path, json=named).status_code == 401
    rule = f"identity:{path.rpartition('/')[2]}_validate"
    login = holder.cloud.login(holder.name, PASSWORD, {"project": {"id": holder.project}})
    with holder.cloud.client(login.headers["x-subject-token"]) as signer:
        for client in (demo, signer):
            refused = client.post(path, json=named)
            assert refused.status_code == 403
            assert message(refused) == f"You are not authorized to perform the requested action: {rule}."
    assert holder.admin.post(path, json=named).status_code == 200
    assert holder.ask(body, path).status_code == 200


def test_20_cve_2026_33551_a_reader_has_no_ec2_credential(holder: Holder) -> None:
    project = made(holder.admin, "project", name=fresh())
    holder.admin.put(f"/v3/projects/{project['id']}/users/{holder.user}/roles/{role_id(holder.admin, 'reader')}")
    login = holder.cloud.login(holder.name, PASSWORD, {"project": {"id": project["id"]}})
    with holder.cloud.client(login.headers["x-subject-token"]) as reader:
        path = f"/v3/users/{holder.user}/credentials/OS-EC2"
        assert reader.post(path, json={"tenant_id": project["id"]}).status_code == 403
        assert reader.delete(f"{path}/{holder.access}").status_code == 403
    assert holder.ask(signed(holder.secret, request("2", holder.access))).status_code == 200
