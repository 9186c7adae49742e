"""The rule engine of mappings, by example and by property."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.http.faults import BadRequest
from cumulet.services.identity.model.mapping_rules import Mapped, Unmapped, apply, split
from cumulet.services.identity.model.mappings import checked

BOB = {"UserName": ["bob"], "Email": ["bob@example.com"], "orgPersonType": ["Employee"], "Groups": ["dev", "ops", "hr"]}
USER = {"user": {"name": "{0}"}}


def mapped(local: Any, remote: Any, assertion: Any = None, version: str = "1.0") -> Mapped:
    rules = [{"local": local, "remote": remote}]
    checked({"rules": rules, "schema_version": version})
    return apply("m", rules, version, BOB if assertion is None else assertion)


def test_values_fill_the_holes_in_their_order() -> None:
    remote = [{"type": "UserName"}, {"type": "orgPersonType", "any_one_of": ["Employee"]}, {"type": "Email"}]
    found = mapped([{"user": {"name": "{0}", "email": "<{1}>", "id": "{0}-{{x}}"}}], remote)
    assert found.user == {"name": "bob", "email": "<bob@example.com>", "id": "bob-{x}", "type": "ephemeral"}


@pytest.mark.parametrize(
    ("evaluation", "applies"),
    [
        ({"any_one_of": ["Employee", "Boss"]}, True),
        ({"any_one_of": ["Boss"]}, False),
        ({"not_any_of": ["Boss"]}, True),
        ({"not_any_of": ["Employee"]}, False),
        ({"any_one_of": ["^Emp"], "regex": True}, True),
        ({"any_one_of": ["^mp"], "regex": True}, False),
        ({"any_one_of": ["^Emp"], "regex": False}, False),
        ({"not_any_of": ["ploy"], "regex": True}, False),
    ],
)
def test_a_rule_applies_when_all_of_its_requirements_do(evaluation: dict[str, Any], applies: bool) -> None:
    remote = [{"type": "UserName"}, {"type": "orgPersonType", **evaluation}]
    if applies:
        assert mapped([USER], remote).user["name"] == "bob"
    else:
        with pytest.raises(Unmapped, match="Could not map any federated user"):
            mapped([USER], remote)


def test_an_attribute_that_is_not_there_fulfils_nothing() -> None:
    for evaluation in ({}, {"any_one_of": ["x"]}, {"not_any_of": ["x"]}, {"whitelist": ["x"]}, {"blacklist": ["x"]}):
        with pytest.raises(Unmapped):
            mapped([USER], [{"type": "UserName"}, {"type": "Nothing", **evaluation}])


def test_groups_through_lists() -> None:
    domain = {"domain": {"id": "default"}}

    def groups(**evaluation: Any) -> list[str]:
        remote = [{"type": "UserName"}, {"type": "Groups", **evaluation}]
        return [name for name, where in mapped([USER, {"groups": "{1}", **domain}], remote).groups]

    assert groups() == ["dev", "ops", "hr"]
    assert groups(whitelist=["ops", "dev", "admin"]) == ["dev", "ops"]
    assert groups(blacklist=["ops"]) == ["dev", "hr"]
    assert groups(whitelist=["^d", "^h"], regex=True) == ["dev", "hr"]
    assert groups(blacklist=["^d"], regex=True) == ["ops", "hr"]
    assert groups(whitelist=["nobody"]) == []
    assert groups(blacklist=[]) == ["dev", "ops", "hr"]
    assert groups(whitelist=["dev"]) == ["dev"]


def test_groups_by_id_and_name() -> None:
    local = [
        USER,
        {"group": {"id": "a1"}},
        {"group": {"name": "g-{0}", "domain": {"name": "D"}}},
        {"group": {"name": "g-{0}", "domain": {"name": "D"}}},
        {"group_ids": "['a1', 'b2']"},
        {"group_ids": "c3"},
    ]
    found = mapped(local, [{"type": "UserName"}])
    assert found.group_ids == ["a1", "b2", "c3"] and found.groups == [("g-bob", {"name": "D"})]


def test_a_value_is_never_read_as_a_list() -> None:
    """OSSA-2017-004's kin: who writes a list into an attribute is not in the groups of that list."""
    for evil in ("['admins']", '["admins", "x"]', "['admins'", "{0}", "{{0}}"):
        remote = [{"type": "UserName"}, {"type": "Groups", "blacklist": ["admins"]}]
        local = [USER, {"groups": "{1}", "domain": {"id": "default"}}, {"group_ids": "{1}"}]
        found = mapped(local, remote, {"UserName": ["eve"], "Groups": [evil]})
        assert [name for name, _ in found.groups] == [evil] and found.group_ids == [evil]
    found = mapped([USER, {"groups": "x{0}", "domain": {"id": "d"}}], [{"type": "UserName"}], {"UserName": ["['a']"]})
    assert found.groups == [("x['a']", {"id": "d"})]


def test_groups_that_say_their_domain() -> None:
    told = 'JSON:{"name": "dev", "domain": {"name": "Corp"}}'
    remote = [{"type": "UserName"}, {"type": "Groups"}]
    found = mapped([USER, {"groups": "{1}"}], remote, {"UserName": ["bob"], "Groups": [told]})
    assert found.groups == [("dev", {"name": "Corp"})]
    beside = mapped([USER, {"groups": "{1}", "domain": {"id": "d"}}], remote, {"UserName": ["bob"], "Groups": [told]})
    assert beside.groups == [(told, {"id": "d"})], "the mapping's domain is never overruled by the assertion"
    for bad in ("dev", "JSON:{", 'JSON:{"name": "dev"}', 'JSON:{"name": 1, "domain": {"id": "d"}}', "JSON:[]"):
        with pytest.raises(Unmapped, match="'domain' keywords must be specified"):
            mapped([USER, {"groups": "{1}"}], remote, {"UserName": ["bob"], "Groups": [bad]})


def test_holes_without_a_value() -> None:
    for text in ("{1}", "{0}{9}", "{x}", "{", "{0.__class__}", "{0!r}", "{}"):
        with pytest.raises(Unmapped, match="refers to a remote match that doesn't exist"):
            mapped([{"user": {"name": text}}], [{"type": "UserName"}])


def test_the_first_user_and_the_last_projects_count() -> None:
    project = {"name": "p-{0}", "roles": [{"name": "member"}]}
    local = [USER, {"user": {"name": "second"}}, {"projects": [project]}, {"projects": [{**project, "name": "last"}]}]
    found = mapped(local, [{"type": "UserName"}])
    assert found.user["name"] == "bob" and found.projects == [{"name": "last", "roles": [{"name": "member"}]}]


def test_domains_of_version_two() -> None:
    project = {"name": "p", "roles": [{"name": "member"}]}
    local = [{**USER, "domain": {"id": "d"}, "projects": [project, {**project, "domain": {"id": "e"}}]}]
    found = mapped(local, [{"type": "UserName"}], version="2.0")
    assert found.user["domain"] == {"id": "d"} and [p["domain"]["id"] for p in found.projects] == ["d", "e"]
    del local[0]["projects"][1]  # type: ignore[attr-defined]
    found = mapped(local, [{"type": "UserName"}])
    assert "domain" not in found.user and "domain" not in found.projects[0]


def test_projects_of_version_three() -> None:
    told = '[{"name": "p", "roles": [{"name": "member"}]}]'
    local = [{**USER, "projects_json": "{1}"}]
    remote = [{"type": "UserName"}, {"type": "Projects"}]
    found = mapped(local, remote, {"UserName": ["bob"], "Projects": [told]}, "3.0")
    assert found.projects == [{"name": "p", "roles": [{"name": "member"}]}]
    for bad in ("x", "{}", '[{"name": "p"}]', '[{"name": "p", "roles": "x"}]', '[{"name": 1, "roles": []}]'):
        with pytest.raises(Unmapped, match="projects_json"):
            mapped(local, remote, {"UserName": ["bob"], "Projects": [bad]}, "3.0")


@pytest.mark.parametrize(
    ("local", "remote", "version"),
    [
        ([{"group": {"name": "g"}}], [{"type": "a"}], "1.0"),
        ([{"group": {"id": "g", "name": "g", "domain": {}}}], [{"type": "a"}], "1.0"),
        ([USER], [{"type": "a", "whitelist": [], "blacklist": []}], "1.0"),
        ([USER], [{"type": "a", "regex": True}], "1.0"),
        ([USER], [{"type": "a", "any_one_of": ["("], "regex": True}], "1.0"),
        ([USER], [{"type": "a", "any_one_of": [1], "regex": True}], "1.0"),
        ([{"projects": [{"name": "p", "roles": [], "domain": {"id": "d"}}]}], [{"type": "a"}], "1.0"),
        ([{"projects_json": "{0}"}], [{"type": "a"}], "2.0"),
        ([USER], [{"type": "a"}], "4.0"),
    ],
)
def test_faulty_rules_are_refused_when_they_are_written(local: Any, remote: Any, version: str) -> None:
    with pytest.raises(BadRequest):
        checked({"rules": [{"local": local, "remote": remote}], "schema_version": version})


def test_a_long_attribute_meets_no_regular_expression() -> None:
    with pytest.raises(Unmapped, match="too long"):
        mapped([USER], [{"type": "UserName", "blacklist": ["(a+)+$"], "regex": True}], {"UserName": ["a" * 5000 + "!"]})


def test_semicolons_part_plain_texts() -> None:
    assert split({"g": "a;b", "u": "bob"}) == {"g": ["a", "b"], "u": ["bob"]}


words = st.text(st.characters(exclude_characters="{}", codec="utf-8"), max_size=5)
pieces = st.lists(st.one_of(words, st.sampled_from(["{0}", "{1}", "{{", "}}"])), max_size=6).map("".join)


@given(pieces, words, st.lists(words, min_size=2, max_size=3))
def test_filling_agrees_with_pythons_formatting(text: str, first: str, second: list[str]) -> None:
    """The original formats with Python's own; ours does the same on what it allows."""
    remote = [{"type": "a"}, {"type": "b"}]
    found = mapped([{"user": {"name": text}}], remote, {"a": [first], "b": second})
    assert found.user["name"] == text.format(first, second)


@given(st.lists(words, min_size=1, max_size=6), st.lists(words, max_size=6), st.booleans())
def test_black_and_white_part_the_values(values: list[str], wanted: list[str], regex: bool) -> None:
    patterns = [re.escape(word) for word in wanted] if regex else wanted

    def kept(kind: str) -> list[str]:
        remote = [{"type": "u"}, {"type": "a", kind: patterns, "regex": regex}]
        return mapped([USER, {"group_ids": "{1}"}], remote, {"u": ["x"], "a": values}).group_ids

    white, black = kept("whitelist"), kept("blacklist")
    assert set(white) | set(black) == set(values) and not set(white) & set(black)
    if not regex:
        assert set(white) == set(values) & set(wanted)


@given(pieces, st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(words, max_size=3)), words)
def test_whatever_is_asserted_the_answer_is_a_user_or_a_refusal(text: str, assertion: Any, word: str) -> None:
    local = [{"user": {"name": text}, "groups": text, "group_ids": text}]
    rules = [{"local": local, "remote": [{"type": "a"}, {"type": "b", "not_any_of": [word]}]}]
    try:
        found = apply("m", rules, "1.0", assertion)
    except Unmapped:
        return
    assert found.user["type"] == "ephemeral"
