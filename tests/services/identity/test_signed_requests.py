"""Tokens for requests signed with EC2 credentials; the signatures are made by keystoneclient and by hand for S3."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keystoneclient.contrib.ec2.utils import Ec2Signer

from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model import ec2_signatures
from cumulet.services.identity.wire.signatures import Signed

from .conftest import PASSWORD, Cloud, on_project
from .test_nouns import fresh, made, message
from .test_roles import role_id

EC2, S3 = "/v3/ec2tokens", "/v3/s3tokens"
VERSIONS = ("1", "2", "4", "4 in the query")


def now(offset: float = 0, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return time.strftime(form, time.gmtime(time.time() + offset))


def request(version: str, access: str, offset: float = 0, **more: Any) -> dict[str, Any]:
    """A request of EC2 as services hand it on, without its signature."""
    body: dict[str, Any] = {"access": access, "host": "ec2.example:8773", "verb": "GET", "path": "/services/Cloud"}
    if version in ("1", "2"):
        params = {"AWSAccessKeyId": access, "SignatureVersion": version, "Action": "Do it", "Timestamp": now(offset)}
        return {**body, "params": params, "headers": {}, **more}
    date = now(offset, "%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/us-east-1/ec2/aws4_request"
    parts = {"Credential": f"{access}/{scope}", "SignedHeaders": "host"}
    body.update(headers={"Host": body["host"]}, params={"Action": "Do it"}, body_hash=hashlib.sha256(b"").hexdigest())
    if version == "4":
        said = ",".join(f"{name}={value}" for name, value in parts.items())
        body["headers"].update({"X-Amz-Date": date, "Authorization": f"AWS4-HMAC-SHA256 {said},Signature=x"})
    else:
        query = {f"X-Amz-{name}": value for name, value in parts.items()}
        body["params"].update({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": date, **query})
    return {**body, **more}


def signed(secret: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "signature": Ec2Signer(secret).generate(copy.deepcopy(body))}


def s3_v4(secret: str, date: str, access: str) -> dict[str, Any]:
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", date, scope, hashlib.sha256(b"").hexdigest()))
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {"access": access, "signature": signature, "token": base64.urlsafe_b64encode(text.encode()).decode()}


def s3_v1(secret: str, access: str, text: bytes = b"GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/a/b") -> dict[str, Any]:
    signature = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()
    return {"access": access, "signature": signature, "token": base64.urlsafe_b64encode(text).decode()}


@dataclass
class Holder:
    """A member of a project with an EC2 credential, and a service that is sent what it signs."""

    cloud: Cloud
    admin: httpx.Client
    service: httpx.Client
    user: str
    name: str
    project: str
    access: str
    secret: str

    def ask(self, body: dict[str, Any], path: str = EC2, name: str = "credentials") -> httpx.Response:
        return self.service.post(path, json={name: body})


@pytest.fixture
def holder(cloud: Cloud, admin: httpx.Client) -> Iterator[Holder]:
    project = made(admin, "project", name=fresh())["id"]
    user = made(admin, "user", name=fresh(), password=PASSWORD)
    admin.put(f"/v3/projects/{project}/users/{user['id']}/roles/{role_id(admin, 'member')}")
    robot = made(admin, "user", name=fresh(), password=PASSWORD)
    home = admin.get("/v3/projects", params={"name": "service"}).json()["projects"][0]["id"]
    admin.put(f"/v3/projects/{home}/users/{robot['id']}/roles/{role_id(admin, 'service')}")
    credential = admin.post(f"/v3/users/{user['id']}/credentials/OS-EC2", json={"tenant_id": project})
    keys = credential.json()["credential"]
    with cloud.client(cloud.token(robot["name"], project="service")) as service:
        yield Holder(cloud, admin, service, user["id"], user["name"], project, keys["access"], keys["secret"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["credentials", "credential", "ec2Credentials"])
def test_a_service_gets_a_token_of_who_signed(version: str, name: str, holder: Holder) -> None:
    answer = holder.ask(signed(holder.secret, request(version, holder.access)), name=name)
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    assert token["user"]["id"] == holder.user and token["project"]["id"] == holder.project
    assert {role["name"] for role in token["roles"]} == {"member", "reader"} and token["catalog"]
    assert token["methods"] == ["ec2credential"]
    with holder.cloud.client(answer.headers["x-subject-token"]) as theirs:
        assert theirs.get("/v3/auth/catalog").status_code == 200
        own = f"/v3/users/{holder.user}/credentials/OS-EC2"
        assert theirs.get(own).status_code == 403
        assert theirs.post(own, json={"tenant_id": holder.project}).status_code == 403
        again = {"identity": {"methods": ["token"], "token": {"id": answer.headers["x-subject-token"]}}}
        assert theirs.post("/v3/auth/tokens", json={"auth": again}).status_code == 403


@pytest.mark.parametrize("version", VERSIONS)
def test_every_part_that_is_signed_counts(version: str, holder: Holder) -> None:
    good = signed(holder.secret, request(version, holder.access))
    changes: list[dict[str, Any]] = [{"signature": good["signature"][:-4] + "AAA="}, {"params": {}}]
    changes.append({"params": {**good["params"], "Action": "Do more"}})
    if version != "1":
        changes += [{"verb": "PUT"}, {"path": "/other"}]
    if version == "2":
        changes.append({"host": "other.example"})
    if version.startswith("4"):
        changes += [{"body_hash": "0" * 64}, {"headers": {**good["headers"], "Host": "other"}}]
    for change in changes:
        answer = holder.ask({**good, **change})
        assert (answer.status_code, message(answer)) == (401, "Invalid EC2 signature."), change
    assert holder.ask(good).status_code == 200


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("offset", [-16 * 60, 16 * 60])
def test_19_a_signature_is_good_for_a_quarter_of_an_hour(version: str, offset: int, holder: Holder) -> None:
    late = holder.ask(signed(holder.secret, request(version, holder.access, offset)))
    assert (late.status_code, message(late)) == (401, "Credential is expired")
    assert holder.ask(signed(holder.secret, request(version, holder.access, offset * 0.9))).status_code == 200


def test_19_a_signature_that_covers_no_time_is_none(holder: Holder) -> None:
    for version in ("1", "2"):
        for change in ({}, {"Timestamp": ""}, {"Timestamp": "yesterday"}):
            body = request(version, holder.access)
            del body["params"]["Timestamp"]
            body["params"].update(change)
            answer = holder.ask(signed(holder.secret, body))
            assert (answer.status_code, message(answer)) == (401, "Credential timestamp is invalid")


def test_19_a_time_put_beside_an_old_signature_does_not_count(holder: Holder) -> None:
    old = signed(holder.secret, request("4", holder.access, -3600, verb="POST"))
    assert message(holder.ask(old)) == "Credential is expired"
    fresher = {**old, "params": {**old["params"], "Timestamp": now(), "X-Amz-Date": now(0, "%Y%m%dT%H%M%SZ")}}
    assert message(holder.ask(fresher)) == "Credential is expired"


def test_a_client_that_signs_without_the_port(holder: Holder) -> None:
    body = request("2", holder.access)
    signature = signed(holder.secret, {**body, "host": "ec2.example"})["signature"]
    assert holder.ask({**body, "signature": signature}).status_code == 200


@pytest.mark.parametrize("path", [EC2, S3])
def test_what_is_no_request(path: str, holder: Holder) -> None:
    assert holder.service.post(path, json={}).status_code == 400
    for junk in ("x", 5, [], {"access": 5}, {"access": "a" * 300}, {"access": "a", "params": [1]}):
        assert holder.ask(junk, path).status_code == 400  # type: ignore[arg-type]
    nobody = holder.ask({"signature": "x"}, path)
    assert (nobody.status_code, message(nobody)) == (401, "EC2 Signature not supplied")
    absent = holder.ask({"access": "nobody", "signature": "x"}, path)
    assert (absent.status_code, message(absent)) == (404, "EC2 access key not found.")
    assert holder.ask({"access": holder.access}, path).status_code == 401
    assert holder.ask({"access": holder.access, "signature": "é", "token": "é"}, path).status_code == 401


def test_s3_tells_who_signed_but_not_the_token(holder: Holder) -> None:
    date = now(0, "%Y%m%dT%H%M%SZ")
    for body in (s3_v4(holder.secret, date, holder.access), s3_v1(holder.secret, holder.access)):
        answer = holder.ask(body, S3)
        assert answer.status_code == 200, answer.text
        assert answer.json()["token"]["user"]["id"] == holder.user and "x-subject-token" not in answer.headers
        wrong = holder.ask({**body, "signature": "0" * 64}, S3)
        assert (wrong.status_code, message(wrong)) == (401, "Credential signature mismatch")
        late = holder.ask({**body, "headers": {"X-Amz-Date": now(-3600, "%Y%m%dT%H%M%SZ")}}, S3)
        assert (late.status_code, message(late)) == (401, "Credential is expired")
    assert holder.ask({"access": holder.access, "signature": "x", "token": "%"}, S3).status_code == 401
    for text in (b"AWS4-HMAC-SHA256\na\nb", b"AWS4-HMAC-SHA256\na\n1/2/ec2/aws4_request\nb", b"AWS4\xff\n\n\n"):
        body = {"access": holder.access, "signature": "x", "token": base64.urlsafe_b64encode(text).decode()}
        assert message(holder.ask(body, S3)) == "Invalid EC2 signature."


def test_who_is_gone_or_has_no_role_gets_nothing(holder: Holder) -> None:
    def ask() -> int:
        return holder.ask(signed(holder.secret, request("2", holder.access))).status_code

    path = f"/v3/projects/{holder.project}/users/{holder.user}/roles/{role_id(holder.admin, 'member')}"
    holder.admin.delete(path)
    assert ask() == 401
    holder.admin.put(path)
    assert ask() == 200
    for noun, identifier in (("project", holder.project), ("user", holder.user)):
        holder.admin.patch(f"/v3/{noun}s/{identifier}", json={noun: {"enabled": False}})
        assert ask() == 401
        holder.admin.patch(f"/v3/{noun}s/{identifier}", json={noun: {"enabled": True}})
    holder.admin.delete(f"/v3/users/{holder.user}/credentials/OS-EC2/{holder.access}")
    assert ask() == 404


def test_no_second_factor_is_asked_for(holder: Holder) -> None:
    rules = {"user": {"options": {"multi_factor_auth_rules": [["password", "totp"]]}}}
    assert holder.admin.patch(f"/v3/users/{holder.user}", json=rules).status_code == 200
    assert holder.cloud.login(holder.name, PASSWORD, {"project": {"id": holder.project}}).status_code == 401
    assert holder.ask(signed(holder.secret, request("2", holder.access))).status_code == 200


@pytest.mark.parametrize("name", ["trust_id", "app_cred_id", "access_token_id"])
def test_a_blob_that_says_it_is_a_delegations_is_worth_nothing(name: str, holder: Holder) -> None:
    keys = {"access": fresh("access"), "secret": fresh("secret")}
    fields = {"type": "ec2", "user_id": holder.user, "project_id": holder.project}
    made(holder.admin, "credential", blob=json.dumps({**keys, name: "0" * 32}), **fields)
    answer = holder.ask(signed(keys["secret"], request("2", keys["access"])))
    assert (answer.status_code, message(answer)) == (401, "User not valid for project.")


def test_it_is_no_method_of_logging_in(cloud: Cloud) -> None:
    body = {"auth": {"identity": {"methods": ["ec2credential"], "ec2credential": {}}, "scope": on_project("demo")}}
    assert cloud.http.post("/v3/auth/tokens", json=body).status_code == 401


_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["1", "2"]),
    st.dictionaries(_words.filter(lambda key: key not in ("SignatureVersion", "SignatureMethod")), _words, max_size=5),
    _words,
    _words,
)
def test_signatures_are_those_of_keystoneclient(version: str, params: dict[str, str], path: str, host: str) -> None:
    body = {"verb": "GET", "host": host, "path": path, "params": {**params, "SignatureVersion": version}}
    body["params"]["Timestamp"] = now()  # type: ignore[index]
    signature = Ec2Signer("secret").generate(copy.deepcopy({**body, "headers": {}}))
    ec2_signatures.check_ec2("secret", Signed(signature=signature, **body), time.time())  # type: ignore[arg-type]
    with pytest.raises(Unauthorized):
        ec2_signatures.check_ec2("other", Signed(signature=signature, **body), time.time())  # type: ignore[arg-type]


def test_a_request_that_botocore_signs(holder: Holder) -> None:
    """As a service would hand it on: the headers and the query that it was sent."""
    pytest.importorskip("botocore")
    from botocore.auth import SigV4Auth, SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = Credentials(holder.access, holder.secret)
    url = "http://ec2.example:8773/services/Cloud"
    for kind in (SigV4Auth, SigV4QueryAuth):
        sent = AWSRequest("GET", url, params={"Action": "Describe it", "Filter.1": "a/b~c"})
        kind(keys, "ec2", "RegionOne").add_auth(sent)
        prepared = sent.prepare()
        query = dict(httpx.URL(prepared.url).params)
        headers = {**{key: str(value) for key, value in prepared.headers.items()}, "Host": "ec2.example:8773"}
        said = headers.get("Authorization", f"Signature={query.pop('X-Amz-Signature', '')}")
        body = {
            "access": holder.access,
            "signature": said.partition("Signature=")[2],
            "host": "ec2.example:8773",
            "verb": "GET",
            "path": "/services/Cloud",
            "headers": headers,
            "params": query,
            "body_hash": hashlib.sha256(b"").hexdigest(),
        }
        answer = holder.ask(body)
        assert answer.status_code == 200, (kind, answer.text)
        assert holder.ask({**body, "params": {**query, "Action": "Delete it"}}).status_code == 401
