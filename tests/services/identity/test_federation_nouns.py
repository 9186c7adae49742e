"""Federation's nouns over real HTTP: identity providers, protocols, mappings and service providers."""

from __future__ import annotations

from typing import Any

import httpx

from .conftest import Cloud
from .federating import FEDERATION, RULES, put
from .test_nouns import fresh, message


def test_life_of_an_identity_provider(admin: httpx.Client) -> None:
    name, remote = fresh(), fresh()
    row = put(admin, "identity_provider", name, description="d", remote_ids=[remote], authorization_ttl=5)
    path = f"{FEDERATION}/identity_providers/{name}"
    assert row["links"]["self"].endswith(path) and row["links"]["protocols"].endswith(f"{path}/protocols")
    domain = admin.get(f"/v3/domains/{row['domain_id']}").json()["domain"]
    assert domain["description"] == f"Auto generated federated domain for Identity Provider: {name}"
    assert {**row, "links": 0, "domain_id": 0} == {
        "id": name,
        "enabled": False,
        "description": "d",
        "domain_id": 0,
        "remote_ids": [remote],
        "authorization_ttl": 5,
        "links": 0,
    }
    assert admin.get(path).json() == {"identity_provider": row}
    listed = admin.get(f"{FEDERATION}/identity_providers", params={"id": name}).json()["identity_providers"]
    assert listed == [row]
    assert (
        admin.get(f"{FEDERATION}/identity_providers", params={"id": name, "enabled": "true"}).json()[
            "identity_providers"
        ]
        == []
    )
    changed = admin.patch(path, json={"identity_provider": {"enabled": True, "remote_ids": None}})
    assert changed.json()["identity_provider"] == {**row, "enabled": True, "remote_ids": []}
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    assert (gone.status_code, message(gone)) == (404, f"Could not find Identity Provider: {name}.")
    assert admin.patch(path, json={"identity_provider": {"enabled": True}}).status_code == 404
    assert admin.delete(path).status_code == 404
    assert admin.get(f"/v3/domains/{row['domain_id']}").status_code == 200, "its domain stays"


def test_what_an_identity_provider_may_not_be(admin: httpx.Client) -> None:
    name, remote = fresh(), fresh()
    put(admin, "identity_provider", name, remote_ids=[remote])

    def refused(status: int, words: str, identifier: str = "", verb: str = "PUT", **fields: Any) -> None:
        path = f"{FEDERATION}/identity_providers/{identifier or fresh()}"
        answer = admin.request(verb, path, json={"identity_provider": fields})
        assert answer.status_code == status and words in message(answer), answer.text

    before = admin.get("/v3/domains").json()["domains"]
    refused(409, f"identity_provider - Duplicate entry: {name}.", name)
    refused(409, f"identity_provider - Duplicate remote ID: {remote}.", remote_ids=[fresh(), remote])
    assert admin.get("/v3/domains").json()["domains"] == before, "a refused one leaves no domain"
    refused(400, "has non-unique elements", remote_ids=["a", "a"])
    refused(400, "remote_ids/0", remote_ids=["a" * 256])
    refused(400, "not of type 'boolean'", enabled="yes")
    refused(400, "'nonsense' was unexpected", nonsense=1)
    refused(400, "authorization_ttl", authorization_ttl=-1)
    refused(400, "must have 1 to 64 characters", "a" * 65)
    refused(404, "Could not find domain: nowhere.", domain_id="nowhere")
    refused(400, "does not have enough properties", name, "PATCH")
    refused(400, "'domain_id' was unexpected", name, "PATCH", domain_id="default")


def test_life_of_a_protocol(admin: httpx.Client) -> None:
    idp, mapping, other = fresh(), fresh(), fresh()
    put(admin, "identity_provider", idp)
    for each in (mapping, other):
        put(admin, "mapping", each, rules=RULES)
    home = f"{FEDERATION}/identity_providers/{idp}"
    path = f"{home}/protocols/openid"
    made = admin.put(path, json={"protocol": {"mapping_id": mapping}})
    row = made.json()["protocol"]
    assert made.status_code == 201 and row["id"] == "openid" and row["mapping_id"] == mapping
    assert row["links"]["self"].endswith(path) and row["links"]["identity_provider"].endswith(home)
    assert admin.get(path).json() == made.json()
    assert admin.put(path, json={"protocol": {"mapping_id": mapping}}).status_code == 409
    (listed,) = admin.get(f"{home}/protocols").json()["protocols"]
    assert listed == {**row, "idp_id": idp, "remote_id_attribute": None}
    body = {"protocol": {"mapping_id": other, "remote_id_attribute": "X"}}
    assert admin.patch(path, json=body).json()["protocol"] == {
        **row,
        "mapping_id": other,
        "remote_id_attribute": "X",
    }
    for verb in ("PUT", "PATCH"):
        unknown = admin.request(verb, path, json={"protocol": {"mapping_id": "nothing"}})
        assert (unknown.status_code, message(unknown)) == (400, "Invalid mapping id: nothing")
        assert admin.request(verb, path, json={"protocol": {}}).status_code == 400
    elsewhere = admin.put(
        f"{FEDERATION}/identity_providers/nobody/protocols/x", json={"protocol": {"mapping_id": other}}
    )
    assert elsewhere.status_code == 404
    assert admin.delete(path).status_code == 204
    gone = admin.get(path)
    words = f"Could not find federated protocol openid for Identity Provider: {idp}."
    assert (gone.status_code, message(gone)) == (404, words)
    assert admin.delete(path).status_code == 404


def test_life_of_a_mapping(admin: httpx.Client) -> None:
    name = fresh()
    row = put(admin, "mapping", name, rules=RULES)
    path = f"{FEDERATION}/mappings/{name}"
    assert row["rules"] == RULES and row["schema_version"] == "1.0" and row["links"]["self"].endswith(path)
    assert admin.get(path).json() == {"mapping": row}
    assert row in admin.get(f"{FEDERATION}/mappings").json()["mappings"]
    again = admin.put(path, json={"mapping": {"rules": RULES}})
    words = f"Conflict occurred attempting to store mapping - Duplicate entry found with ID {name}."
    assert (again.status_code, message(again)) == (409, words)
    changed = admin.patch(path, json={"mapping": {"rules": RULES[:1], "schema_version": "2.0"}}).json()["mapping"]
    assert changed == {**row, "rules": RULES[:1], "schema_version": "2.0"}
    assert admin.delete(path).status_code == 204
    assert message(admin.get(path)) == f"Could not find mapping: {name}."
    for bad in ({}, {"rules": []}, {"rules": [{"local": [], "remote": []}]}, {"rules": [{"local": [{"x": 1}]}]}):
        assert admin.put(path, json={"mapping": bad}).status_code == 400


def test_life_of_a_service_provider(cloud: Cloud, admin: httpx.Client) -> None:
    name, hidden = fresh(), fresh()
    urls = {"auth_url": "http://sp.example/auth", "sp_url": "http://sp.example/sp"}
    row = put(admin, "service_provider", name, **urls)
    path = f"{FEDERATION}/service_providers/{name}"
    assert {**row, "links": 0} == {
        "id": name,
        "enabled": False,
        "description": None,
        "relay_state_prefix": "ss:mem:",
        "links": 0,
        **urls,
    }
    put(admin, "service_provider", hidden, **urls)
    assert "service_providers" not in cloud.login().json()["token"]
    assert admin.patch(path, json={"service_provider": {"enabled": True}}).json()["service_provider"]["enabled"]
    assert cloud.login().json()["token"]["service_providers"] == [{"id": name, **urls}]
    assert [
        each["id"] for each in admin.get(f"{FEDERATION}/service_providers?enabled=1").json()["service_providers"]
    ] == [name]
    assert admin.patch(path, json={"service_provider": {"sp_url": "nonsense"}}).status_code == 400
    assert admin.patch(path, json={"service_provider": {}}).status_code == 400
    assert admin.put(path, json={"service_provider": {"sp_url": "http://a"}}).status_code == 400
    assert admin.put(path, json={"service_provider": urls}).status_code == 409
    assert admin.delete(path).status_code == 204 and admin.delete(path).status_code == 404
    assert message(admin.get(path)) == f"Could not find Service Provider: {name}."
    assert "service_providers" not in cloud.login().json()["token"]


def test_only_administrators_federate(cloud: Cloud, demo: httpx.Client) -> None:
    bodies = {
        "identity_provider": {},
        "mapping": {"rules": RULES},
        "service_provider": {"auth_url": "http://a.b", "sp_url": "http://a.b"},
    }
    for noun, fields in bodies.items():
        for verb in ("GET", "PUT", "PATCH", "DELETE"):
            path, body = f"{FEDERATION}/{noun}s/{fresh()}", {noun: {**fields, "description": "d"}}  # type: ignore[dict-item]
            assert demo.request(verb, path, json=body).status_code == 403
            assert cloud.http.request(verb, path, json=body).status_code == 401
        assert demo.get(f"{FEDERATION}/{noun}s").status_code == 403
