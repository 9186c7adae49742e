"""What holds for every noun: what is not there, bodies that say nothing, and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.services.network.conftest import Cloud, Json, collection

ABSENT = "11111111-2222-3333-4444-555555555555"
MISSING = {
    "network": ("NetworkNotFound", "Network {} could not be found."),
    "subnet": ("SubnetNotFound", "Subnet {} could not be found."),
    "port": ("PortNotFound", "Port {} could not be found."),
    "router": ("RouterNotFound", "Router {} could not be found"),
    "floatingip": ("FloatingIPNotFound", "Floating IP {} could not be found"),
    "security_group": ("SecurityGroupNotFound", "Security group {} does not exist"),
    "security_group_rule": ("SecurityGroupRuleNotFound", "Security group rule {} does not exist"),
}
ONE_BY_ONE = ("router", "floatingip")
NEW: dict[str, Callable[[Cloud], Json]] = {
    "network": lambda cloud: {},
    "subnet": lambda cloud: {"network_id": cloud.make("network")["id"], "cidr": "10.229.0.0/24"},
    "port": lambda cloud: {"network_id": cloud.make("network")["id"]},
    "router": lambda cloud: {},
    "floatingip": lambda cloud: {"floating_network_id": cloud.external()[0]["id"]},
    "security_group": lambda cloud: {"name": "any"},
    "security_group_rule": lambda cloud: {
        "security_group_id": cloud.make("security_group", name="ruled")["id"],
        "direction": "ingress",
    },
}
"""What each must be given."""
every_noun = pytest.mark.parametrize("noun", MISSING)
every_changed_noun = pytest.mark.parametrize("noun", [noun for noun in MISSING if noun != "security_group_rule"])


def missing(noun: str, id: str) -> tuple[str, str]:
    kind, text = MISSING[noun]
    return kind, text.format(id)


def bad(message: str) -> tuple[str, str]:
    return "HTTPBadRequest", message


@every_noun
@pytest.mark.parametrize("id", [ABSENT, "x"])
def test_what_is_not_there(cloud: Cloud, noun: str, id: str) -> None:
    for method in ("GET", "DELETE") if noun == "security_group_rule" else ("GET", "PUT", "DELETE"):
        assert cloud.fault(method, f"{collection(noun)}/{id}", {noun: {}}, 404) == missing(noun, id)


@every_noun
def test_what_is_deleted_is_not_there(cloud: Cloud, noun: str) -> None:
    id = cloud.make(noun, **NEW[noun](cloud))["id"]
    cloud.call("DELETE", f"{collection(noun)}/{id}", status=204)
    for method in ("GET", "DELETE"):
        assert cloud.fault(method, f"{collection(noun)}/{id}", None, 404) == missing(noun, id)


@every_noun
def test_what_is_another_project_s_is_not_there(cloud: Cloud, noun: str) -> None:
    id = cloud.make(noun, **NEW[noun](cloud))["id"]
    for method in ("GET", "DELETE"):
        assert cloud.fault(method, f"{collection(noun)}/{id}", None, 404, "other") == missing(noun, id)
    assert cloud.found(noun, f"id={id}", "other") == []
    assert [each["id"] for each in cloud.found(noun, f"id={id}", "admin")] == [id]


@every_noun
def test_a_reader_makes_and_deletes_nothing(cloud: Cloud, noun: str) -> None:
    new = NEW[noun](cloud)
    id = cloud.make(noun, **new)["id"]
    wanted = ("PolicyNotAuthorized", f"rule:create_{noun} is disallowed by policy")
    assert cloud.fault("POST", collection(noun), {noun: new}, 403, "reader") == wanted
    wanted = ("PolicyNotAuthorized", f"rule:delete_{noun} is disallowed by policy")
    assert cloud.fault("DELETE", f"{collection(noun)}/{id}", None, 403, "reader") == wanted
    assert cloud.show(noun, id, "reader")["id"] == id


@every_noun
def test_nobody_without_a_token(cloud: Cloud, noun: str) -> None:
    with cloud.client("") as client:
        for method in ("GET", "POST"):
            assert client.request(method, f"/v2.0/{collection(noun)}", json={noun: {}}).status_code == 401


@every_noun
def test_bodies_that_say_nothing(cloud: Cloud, noun: str) -> None:
    unfound = bad(f"Unable to find '{noun}' in request body")
    alone = noun in ONE_BY_ONE
    for body, wanted in (
        ({}, unfound if alone else bad("Resource body required")),
        ({"thing": {}}, unfound),
        ({noun: 1}, bad(f"Invalid input for attribute '{noun}': it is not an object.")),
        ({f"{noun}s": []}, unfound if alone else bad("Resources required")),
        ({f"{noun}s": {}}, unfound if alone else bad("Resources required")),
        ({f"{noun}s": [1]}, unfound),
    ):
        assert cloud.fault("POST", collection(noun), body, 400) == wanted, body


@every_noun
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colour": "red"}, "Unrecognized attribute(s) 'colour'"),
        ({"size": 1, "colour": "red"}, "Unrecognized attribute(s) 'colour, size'"),
        ({"id": ABSENT}, "Attribute 'id' not allowed in POST"),
        ({"revision_number": 3}, "Attribute 'revision_number' not allowed in POST"),
        ({"created_at": "2026-01-01T00:00:00Z"}, "Attribute 'created_at' not allowed in POST"),
        ({"description": 5}, "Invalid input for description. Reason: '5' is not a valid string."),
        (
            {"description": "x" * 256},
            f"Invalid input for description. Reason: '{'x' * 256}' exceeds maximum length of 255.",
        ),
        ({"description": "a\x00b"}, "The body holds a NUL character."),
    ],
)
def test_attributes_that_cannot_be_given(cloud: Cloud, noun: str, given: Json, message: str) -> None:
    body = {noun: {**NEW[noun](cloud), **given}}
    assert cloud.fault("POST", collection(noun), body, 400) == bad(message)


@pytest.mark.parametrize(
    ("noun", "name"),
    [
        ("subnet", "network_id"),
        ("port", "network_id"),
        ("floatingip", "floating_network_id"),
        ("security_group_rule", "security_group_id"),
        ("security_group_rule", "direction"),
    ],
)
def test_attributes_that_must_be_given(cloud: Cloud, noun: str, name: str) -> None:
    given = {key: value for key, value in NEW[noun](cloud).items() if key != name}
    wanted = bad(f"Failed to parse request. Required attribute '{name}' not specified")
    assert cloud.fault("POST", collection(noun), {noun: given}, 400) == wanted


@every_noun
def test_members_make_things_for_their_own_project(cloud: Cloud, noun: str) -> None:
    new = NEW[noun](cloud)
    for name in ("project_id", "tenant_id"):
        wanted = bad(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires "
            "admin privileges"
        )
        assert cloud.fault("POST", collection(noun), {noun: {**new, name: "0" * 32}}, 400) == wanted
    both = {**new, "project_id": "0" * 32, "tenant_id": "1" * 32}
    wanted = bad("'project_id' and 'tenant_id' do not match")
    assert cloud.fault("POST", collection(noun), {noun: both}, 400, "admin") == wanted
    own = cloud.make(noun, **new, project_id="d" * 32, tenant_id="d" * 32)
    assert own["project_id"] == own["tenant_id"] == "d" * 32


@every_changed_noun
def test_administrators_make_things_for_others(cloud: Cloud, noun: str) -> None:
    new = NEW[noun](cloud)
    made = cloud.make(noun, "admin", **new, project_id="0" * 32)
    assert made["project_id"] == made["tenant_id"] == "0" * 32
    assert cloud.show(noun, made["id"], "other")["id"] == made["id"]


@every_changed_noun
def test_a_change_makes_a_revision(cloud: Cloud, noun: str) -> None:
    before = cloud.make(noun, **NEW[noun](cloud))
    after = cloud.change(noun, before["id"], description="new")
    assert (before["description"], after["description"]) == ("", "new")
    assert after["revision_number"] > before["revision_number"]
    assert after["created_at"] == before["created_at"] <= after["updated_at"]
    assert cloud.show(noun, before["id"]) == after
    assert cloud.found(noun, f"id={before['id']}") == [after]
    assert cloud.found(noun, f"id={before['id']}&description=new") == [after]


@every_changed_noun
@pytest.mark.parametrize("name", ["id", "created_at", "revision_number", "tags", "project_id", "tenant_id"])
def test_what_stays_as_it_is(cloud: Cloud, noun: str, name: str) -> None:
    made = cloud.make(noun, **NEW[noun](cloud))
    wanted = bad(f"Cannot update read-only attribute {name}")
    assert cloud.fault("PUT", f"{collection(noun)}/{made['id']}", {noun: {name: made[name]}}, 400) == wanted
    wanted = bad("Unrecognized attribute(s) 'colour'")
    assert cloud.fault("PUT", f"{collection(noun)}/{made['id']}", {noun: {"colour": "red"}}, 400) == wanted


@every_changed_noun
def test_a_reader_changes_nothing(cloud: Cloud, noun: str) -> None:
    made = cloud.make(noun, **NEW[noun](cloud))
    wanted = ("PolicyNotAuthorized", f"rule:update_{noun} is disallowed by policy")
    body = {noun: {"description": "theirs"}}
    assert cloud.fault("PUT", f"{collection(noun)}/{made['id']}", body, 403, "reader") == wanted
    assert cloud.show(noun, made["id"])["description"] == ""


@every_noun
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("limit=-1", bad("Limit must be an integer 0 or greater and not '-1'")),
        ("limit=few", bad("Limit must be an integer 0 or greater and not 'few'")),
        ("sort_key=id", bad("The number of sort_keys and sort_dirs must be same")),
        ("sort_key=colour&sort_dir=asc", bad("['colour'] is invalid attribute for sort_key")),
        ("sort_key=id&sort_dir=up", bad("Valid sort directions are 'asc' and 'desc'")),
        ("colour=red", bad("['colour'] is invalid attribute for filtering")),
        (
            "changed_since=soon",
            ("InvalidInput", "Invalid input for operation: The value 'soon' of filter 'changed_since' is not a time."),
        ),
        (
            "revision_number=first",
            bad("Invalid input for revision_number. Reason: 'first' is not an integer."),
        ),
    ],
)
def test_queries_that_cannot_be_answered(cloud: Cloud, noun: str, query: str, wanted: tuple[str, str]) -> None:
    assert cloud.fault("GET", f"{collection(noun)}?{query}", None, 400) == wanted


@every_noun
def test_a_page_begins_after_what_is_seen(cloud: Cloud, noun: str) -> None:
    """Not after what is not there, nor after what is another's."""
    own = cloud.make(noun, **NEW[noun](cloud))["id"]
    for marker, token in ((ABSENT, "demo"), (own, "other")):
        path = f"{collection(noun)}?limit=1&marker={marker}"
        assert cloud.fault("GET", path, None, 404, token) == missing(noun, marker)


@every_noun
def test_pages_lead_forward_and_back(cloud: Cloud, noun: str) -> None:
    ids = sorted(cloud.make(noun, **NEW[noun](cloud))["id"] for _ in range(3))
    path = f"{collection(noun)}?{'&'.join(f'id={id}' for id in ids)}&sort_key=id&sort_dir=asc&limit=2"
    plural = f"{noun}s"

    def page(path: str) -> tuple[list[str], dict[str, str]]:
        found = cloud.call("GET", path.removeprefix(f"{cloud.running.url}/v2.0/"), None, "demo", 200)
        links = {link["rel"]: link["href"] for link in found.get(f"{plural}_links", ())}
        return [each["id"] for each in found[plural]], links

    first, links = page(path)
    assert (first, set(links)) == (ids[:2], {"next"})
    second, links = page(links["next"])
    assert (second, set(links)) == (ids[2:], {"previous"})
    back, _ = page(links["previous"])
    assert back == ids[:2]


@every_noun
def test_fields_are_those_asked_for(cloud: Cloud, noun: str) -> None:
    made = cloud.make(noun, **NEW[noun](cloud))
    short = {"id": made["id"], "project_id": "d" * 32}
    assert cloud.found(noun, f"id={made['id']}&fields=id&fields=project_id") == [short]
    shown: Any = cloud.call("GET", f"{collection(noun)}/{made['id']}?fields=id&fields=colour", status=200)[noun]
    assert shown == {"id": made["id"]}


@pytest.mark.parametrize("noun", [noun for noun in MISSING if noun not in ONE_BY_ONE])
def test_a_list_makes_all_or_none(cloud: Cloud, noun: str) -> None:
    new = NEW[noun](cloud)
    before = len(cloud.found(noun, ""))
    body = {f"{noun}s": [new, {**new, "colour": "red"}]}
    assert cloud.fault("POST", collection(noun), body, 400) == bad("Unrecognized attribute(s) 'colour'")
    assert len(cloud.found(noun, "")) == before
    wrapped = {f"{noun}s": [{noun: {**new, "description": "wrapped"}}]}
    (made,) = cloud.call("POST", collection(noun), wrapped, status=201)[f"{noun}s"]
    assert made["description"] == "wrapped"
