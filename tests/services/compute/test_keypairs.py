"""Key pairs: made or brought along, seen by their user and by administrators."""

from __future__ import annotations

import httpx

from cumulet.services.compute.model import quotas
from tests.services.compute.conftest import (
    Nova,
    message,
)
from tests.services.serving import PROJECTS


def test_keypairs(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    with nova.client("demo", "2.91") as before, nova.client("demo", "2.1") as old:
        made = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "made"}})
        assert made.status_code == 201
        pair = made.json()["keypair"]
        assert "PRIVATE KEY" in pair["private_key"] and pair["public_key"].endswith("Generated-by-Nova")
        body = {"keypair": {"name": "in", "public_key": pair["public_key"]}}
        assert old.post("/v2.1/os-keypairs", json=body).status_code == 200
        certificate = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "cert", "type": "x509"}}).json()
        assert certificate["keypair"]["public_key"].startswith("-----BEGIN CERTIFICATE")
        assert old.get("/v2.1/os-keypairs/in").json()["keypair"]["fingerprint"] == pair["fingerprint"]
        bad = {"keypair": {"name": "a@b", "public_key": pair["public_key"]}}
        assert "unsafe characters" in message(before.post("/v2.1/os-keypairs", json=bad))
        assert demo.post("/v2.1/os-keypairs", json=bad).status_code == 201
    answer = demo.post("/v2.1/os-keypairs", json={"keypair": {"name": "none"}})
    assert answer.status_code == 400
    answer = demo.post("/v2.1/os-keypairs", json=body)
    assert (answer.status_code, message(answer)) == (409, "Key pair 'in' already exists.")
    answer = demo.post("/v2.1/os-keypairs", json={"keypair": {"name": "x", "public_key": "ssh-rsa AAAA"}})
    assert message(answer) == "Keypair data is invalid: failed to generate fingerprint"
    assert [k["keypair"]["name"] for k in demo.get("/v2.1/os-keypairs?limit=2&marker=a@b").json()["keypairs"]] == [
        "cert",
        "in",
    ]
    user = "demo".ljust(32, "0")
    assert len(admin.get(f"/v2.1/os-keypairs?user_id={user}").json()["keypairs"]) == 4
    with nova.client("other") as other:
        assert other.get(f"/v2.1/os-keypairs?user_id={user}").status_code == 403
        assert other.get("/v2.1/os-keypairs/in").status_code == 404
    assert demo.delete("/v2.1/os-keypairs/in").status_code == 204
    assert demo.delete("/v2.1/os-keypairs/in").status_code == 404


def test_their_number_is_limited(nova: Nova, demo: httpx.Client) -> None:
    with nova.db.transaction() as tx:
        quotas.set_limits(tx, PROJECTS["demo"], {"key_pairs": 1})
    with nova.client("demo", "2.91") as before:
        assert before.post("/v2.1/os-keypairs", json={"keypair": {"name": "one"}}).status_code == 201
        answer = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "two"}})
        assert (answer.status_code, message(answer)) == (403, "Quota exceeded, too many key pairs.")
    answer = demo.get("/v2.1/os-keypairs?marker=two")
    assert (answer.status_code, message(answer)) == (400, "Marker two could not be found.")
