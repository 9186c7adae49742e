"""No text of a caller makes work without a bound: finding S2.

What is held is a bound on steps, not on time: a pattern is refused, or its compiled form has so many instructions, and
RE2 does at most as many steps for each byte of a text. That nothing else sees a caller's pattern is tests/laws/
test_patterns.py's to hold, and here Python's `re` is watched while the bombs go through the services.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import event

from cumulet import patterns
from cumulet.auth.access_rules import _form, fits
from cumulet.db import Database, Page, metadata
from cumulet.db.paging import _order
from cumulet.http.repeats import repeated
from cumulet.services.compute.model import server_list
from cumulet.services.compute.tables import servers
from cumulet.services.identity.model import mapping_rules
from tests.databases import KINDS, place
from tests.regressions.tenants import Tenants, words

BOMBS = [
    *("(a+)+$", "(a*)*$", "([a-zA-Z]+)*!", "(a|aa)+$", "(a|a?)+$", "(x+x+)+y", "((a+)+)+$"),
    *(".*aaaa.*aaaa.*aaaab", ".*a.*a.*a.*a.*a.*a.*b", "^(.*)(.*)(.*)(.*)(.*)(.*)[^a]$", "a?" * 30 + "a" * 30),
    *("(?=(a+))a", "(?!b)(a+)+b", "(?<=a+)b", "(a+)\\1+$", "(?P<x>a+)(?P=x)+$", "(?(1)a|b)"),
    *("a{1,20}aaaa.*a{1,20}b", "a{1,1000}{1,1000}", "(a{1,1000}){1,1000}", "((a{1,100}){1,100}){1,100}", "a{999}" * 40),
    *("(" * 500 + "a" + ")" * 500, "[" * 900, "|" * 1000, "(a|" * 300 + "b" + ")" * 300, "a|" * 512, "\\"),
    *(r"\pL{1,50}\d", r"[\pL\pN\pM]{1,30}x", r"\X{100}", "(?i)" + "[\u00c0-\ud7ff]{50}", "[^a]" * 200, r"(\w+\s?)*$"),
    *(
        "a" * 100_000,
        "((((.{1,30}){1,30})*)+)?",
        "(?:(?:[ab]*a[ab]{13})|(?:[ab]*b[ab]{14})){1,20}c",
        "\U0010ffff*" * 80,
    ),
]
TEXT = "a" * 255


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:24])
@pytest.mark.parametrize("ignore_case", [False, True])
def test_a_bomb_is_refused_or_has_a_bound(bomb: str, ignore_case: bool) -> None:
    """Finding S2."""
    try:
        pattern = patterns.compiled(bomb, ignore_case=ignore_case)
    except patterns.Refused as refused:
        assert 0 < len(str(refused)) <= 300
        return
    assert 0 < pattern.steps <= patterns.MOST_STEPS
    assert pattern.search(TEXT) in (True, False) and pattern.match(TEXT) in (True, False)


def test_few_patterns_are_kept() -> None:
    """Finding S2: the bound on memory is one pattern's times those that are kept, here and in RE2's own package."""
    import re2

    for number in range(200):
        patterns.compiled(f"a{number}.*b")
    assert patterns.compiled.cache_info().currsize <= 32
    assert re2._Regexp._make.cache_info().currsize <= 1


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Bombs that Python's `re` was given; it is not let compile them."""
    seen: list[str] = []
    bombs = {*BOMBS, *(re.escape(bomb) for bomb in BOMBS)}
    real = re._compile  # type: ignore[attr-defined]

    def compile(pattern: Any, flags: Any) -> Any:
        if pattern in bombs:
            seen.append(pattern)
            raise AssertionError(f"re was given {pattern!r}")
        return real(pattern, flags)

    monkeypatch.setattr(re, "_compile", compile)
    with pytest.raises(AssertionError):
        re.search(BOMBS[0], "a")
    seen.clear()
    return seen


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    found = Tenants(tmp_path_factory.mktemp("bombs") / "state")
    assert found.bob.server(found.bob.image(), name=TEXT).status == 202
    yield found
    found.close()


def test_the_reports_search(cloud: Tenants) -> None:
    """Finding S2: the report's requests. What took seconds for one row is answered."""
    found = cloud.bob.get("compute", "/v2.1/servers?name=.*aaaa.*aaaa.*aaaab")["servers"]
    assert found == []
    assert len(cloud.bob.get("compute", "/v2.1/servers?name=.*AAAA.*aaaa.*aaaa")["servers"]) == 1


_FILTERS = ("name", "display_name", "description", "hostname", "access_ip_v4", "access_ip_v6", "ip", "ip6")


@pytest.mark.parametrize("name", _FILTERS)
def test_bombs_in_lists_of_servers(cloud: Tenants, watched: list[str], name: str) -> None:
    """Finding S2: each filter that is an expression, as a member and as an administrator; 400 in Nova's words."""
    for bomb in BOMBS:
        if len(bomb) > 4000:
            continue  # no URL has room for it
        for tenant in (cloud.bob, cloud.operator):
            answer = tenant.ask("compute", "GET", "/v2.1/servers", query=urlencode({name: bomb}))
            assert answer.status in (200, 400), (bomb, answer.body)
            if answer.status == 400:
                said = f"Invalid input for query parameters {name}. Value: {bomb}. {bomb!r} is not a 'regex'"
                assert words(answer).startswith(said[:300])
    assert watched == []


def test_bombs_in_mappings(cloud: Tenants, watched: list[str]) -> None:
    """Finding S2: what a mapping's author writes and what an identity provider asserts."""
    for number, bomb in enumerate(BOMBS):
        for kind in mapping_rules.EVALUATIONS:
            remote = [{"type": "name"}, {"type": "name", kind: [bomb], "regex": True}]
            rules = [{"local": [{"user": {"name": "{0}"}}], "remote": remote}]
            path = f"/v3/OS-FEDERATION/mappings/m{number}-{kind}"
            answer = cloud.operator.ask("identity", "PUT", path, {"mapping": {"rules": rules}})
            assert answer.status in (201, 400, 413), answer.body
            with suppress(mapping_rules.Unmapped):  # as well when the row is older than the check
                mapping_rules.apply("m", rules, "1.0", {"name": [TEXT]})
    assert watched == []


def test_sqlites_regexp_is_gone(tmp_path: Path) -> None:
    """Finding S2: SQLAlchemy brings a REGEXP to SQLite that runs Python's `re` for each row."""
    db = Database(place(tmp_path / "x.db", "sqlite"), durable=False)
    with pytest.raises(sqlite3.OperationalError), db.read() as tx:
        tx.driver.execute("SELECT 'aaa' REGEXP 'a'").fetchall()
    db.close()


@pytest.mark.parametrize("kind", KINDS)
def test_databases_see_no_pattern(tmp_path: Path, kind: str) -> None:
    """Finding S2: the same rows on both, without an expression in any statement."""
    db = Database(place(tmp_path / "x.db", kind), durable=False)
    metadata.create_all(db.engine)
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda c, cursor, text, *rest: statements.append(text))
    row = {
        "project_id": "p",
        "user_id": "u",
        "vm_state": "active",
        "flavor_id": "1",
        "flavor": {},
        "vcpus": 1,
        "ram": 1,
    }
    row |= {"meta": {}, "personality": [], "reservation_id": "r", "seed": "s", "image_id": "i", "created_at": 1}
    names = ["web-1", "Web-2", "db.example", "dbxexample", "Ärger", "a%b_c"]
    with db.transaction() as tx:
        values = {"updated_at": 1, "launched_at": None, "power_state": 1}
        tx.insert(
            servers, [{**row, **values, "id": str(n), "name": each, "hostname": "h"} for n, each in enumerate(names)]
        )
    cases = {
        "web": {"web-1", "Web-2"},
        "^WEB-": {"web-1", "Web-2"},
        "^web-1$": {"web-1"},
        "eb-[0-9]$": {"web-1", "Web-2"},
        "db.example": {"db.example", "dbxexample"},
        r"db\.example": {"db.example"},
        r"^db\.example$": {"db.example"},
        "ärger": {"Ärger"},
        "%": {"a%b_c"},
        "b_c": {"a%b_c"},
        "_": {"a%b_c"},
        "(web|db).*[1e]$": {"web-1", "db.example", "dbxexample"},
        "(a+)+$|web-1": {"web-1"},
    }
    with db.read() as tx:
        for text, expected in cases.items():
            wanted = server_list.Filters(patterns={"name": patterns.compiled(text, ignore_case=True)}, deleted=None)
            assert {one.name for one in server_list.listed(tx, wanted, Page())} == expected, text
            assert len(server_list.ids_of(tx, wanted)) == len(expected)
    db.close()
    assert not [text for text in statements if "REGEXP" in text.upper() or " ~" in text or " LIKE " in text.upper()]


# ---- forms of passwords


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$", ["abcdef1", "1234567a"], ["abcdefg", "1234567", "abc1", ""]),
        (r"^(?!.*password)[a-z]{4,}$", ["correct"], ["mypassword", "abc"]),
        (r"(?=[(\])]).+", ["(x", "]x", ")x"], ["x("]),
        (r"(?=[^\]()]+$)(?=[])a]).+", ["ab"], ["a)", "]", "(a"]),
        (r"(?=\(a\))(?=.{5}).*b$", ["(a)xb"], ["(a)b", "a)xxb"]),
        ("^.{8,}$", ["longenough"], ["short"]),
        ("a|b", ["a", "bc"], ["ca"]),
    ],
)
def test_forms_of_passwords(form: str, good: list[str], bad: list[str]) -> None:
    """Finding S2: the look-aheads of Keystone's documentation are patterns of their own; the same as `re` says."""
    found = patterns.form(form)
    for text in (*good, *bad):
        assert found.match(text) == (text in good) == (re.match(form, text) is not None), text


@pytest.mark.parametrize("form", [*BOMBS, "(?=a)b|c", "(?=a", "^(?=(a+)+$)(?<=b)", "(?i)(?=a).", "x(?=a)", "(?=a)*b"])
def test_forms_that_have_no_bound(form: str) -> None:
    """Finding S2: a form that is not refused keeps the bound with each of its patterns."""
    try:
        found = patterns.form(form)
    except patterns.Refused:
        return
    for pattern in (found._rest, *(one for _, one in found._conditions)):
        assert pattern.steps <= patterns.MOST_STEPS


# ---- other work that a text can make


class Counted(str):
    """A text that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, str(other))

    __hash__ = str.__hash__


def test_a_list_is_compared_once() -> None:
    """A body of the largest size has room for 12,000 tags; comparing all pairs took seconds."""
    values = [Counted(f"tag-{number}") for number in range(12_000)]
    assert repeated(values) is None and Counted.compared < 100
    assert repeated([*values, Counted("tag-7")]) == 12_000
    assert repeated([{"a": 1, "b": 2}, {"b": 2, "a": 1}]) == 1
    assert repeated([1, "1", '"1"']) is None


def test_a_sort_key_counts_once(cloud: Tenants) -> None:
    """A page behind a marker has n² conditions: of 500 times the same key, minutes of making a statement."""
    page = Page(sort=(("id", True), ("name", False)) * 500)
    columns = {"id": servers.c.id, "name": servers.c.name}
    assert len(_order(columns, page, servers.c.id)) == 3
    server_id = cloud.bob.get("compute", "/v2.1/servers")["servers"][0]["id"]
    query = "&".join(["sort_key=uuid&sort_key=vm_state"] * 240 + [f"marker={server_id}"])
    assert cloud.bob.ask("compute", "GET", "/v2.1/servers", query=query).status == 200


@pytest.mark.parametrize(
    ("service", "path", "query"),
    [
        ("network", "/v2.0/networks", "tags=" + ",".join(map(str, range(3000)))),
        ("network", "/v2.0/networks", "not-tags-any=" + ",".join(map(str, range(3000)))),
        ("network", "/v2.0/networks", "mtu=" + "9" * 40),
        ("network", "/v2.0/ports", "&".join(f"fixed_ips=ip_address_substr%3D{n}" for n in range(400))),
        ("image", "/v2/images", "&".join(f"tag={n}" for n in range(990))),
        ("image", "/v2/images", "&".join(f"p{n}=x" for n in range(990))),
        ("compute", "/v2.1/servers", "&".join(["status=ACTIVE"] * 990)),
        ("compute", "/v2.1/servers", "tags=" + ",".join(map(str, range(3000)))),
        ("identity", "/v3/projects", "&".join(f"name__icontains={n}" for n in range(700))),
    ],
)
def test_many_filters_are_no_fault_of_ours(cloud: Tenants, service: str, path: str, query: str) -> None:
    """SQLite takes conditions a thousand deep; what is beyond ended in 500."""
    assert cloud.operator.ask(service, "GET", path, query=query).status in (200, 400)


@pytest.mark.parametrize(
    "rule", ["**" * 112, "/" + "**a" * 74, "/" + "*a" * 112, "/" + "{x}" * 74, "/" + "\u00e9*" * 112]
)
def test_stars_of_access_rules_do_not_multiply(rule: str) -> None:
    """A rule of a user's has 225 letters, a credential hundreds of rules: one took a second for a path of 16,000."""
    form = _form(rule[:225])
    assert form is not None and form.steps <= patterns.MOST_STEPS
    assert fits(rule[:225], "/" + "a" * 16_000) in (True, False)


def test_access_rules_mean_what_they_meant() -> None:
    assert fits("/v3/\u00e9*/x", "/v3/\u00e9\u00e8\u00ea/x") and not fits("/v3/\u00e9*/x", "/v3/e/x")
    assert fits("/a.b/**", "/a.b/\n/c") and not fits("/a.b/**", "/axb/c") and not fits("/a", "/a\n")
