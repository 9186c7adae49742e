"""Access rules: which requests they let through, and that no pattern takes long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.auth.access_rules import allows, fits


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/v2.1/servers", "/v2.1/servers", True),
        ("/v2.1/servers", "/v2x1/servers", False),
        ("/v2.1/servers", "/v2.1/servers/1", False),
        ("/v2.1/servers/*", "/v2.1/servers/1", True),
        ("/v2.1/servers/*", "/v2.1/servers/", False),
        ("/v2.1/servers/*", "/v2.1/servers/1/action", False),
        ("/v2.1/servers/{server_id}/action", "/v2.1/servers/1/action", True),
        ("/v2.1/**", "/v2.1/servers/1/action", True),
        ("/v2.1/**", "/v2.1/", True),
        ("/v2.1/**", "/v2.0/", False),
        ("**", "", True),
        ("/v3/x(", "/v3/x(", True),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert fits(pattern, path) is expected


@given(
    st.lists(st.sampled_from(["a", "/", "*", "**", "{x}"]), max_size=6).map("".join),
    st.text(st.sampled_from("a/"), max_size=7),
)
def test_against_a_regular_expression(pattern: str, path: str) -> None:
    """The reference is the translation that keystonemiddleware makes, with literals escaped."""
    reference = ""
    for part in re.findall(r"\{[^}]*\}|\*\*|\*|[^{}*]", pattern):
        wild = {"**": ".*", "*": "[^/]+"}.get(part, re.escape(part))
        reference += "[^/]+" if part.startswith("{") else wild
    assert fits(pattern, path) is bool(re.fullmatch(reference, path))


def test_a_nasty_pattern_takes_no_time() -> None:
    begun = time.perf_counter()
    assert not fits("**a" * 60 + "b", "a" * 2000)
    assert time.perf_counter() - begun < 2


def test_service_and_method_count() -> None:
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    assert allows(rules, "compute", "GET", "/v2.1/servers")
    assert not allows(rules, "compute", "POST", "/v2.1/servers")
    assert not allows(rules, "image", "GET", "/v2.1/servers")
    assert allows([], "identity", "GET", "/v3/auth/tokens") and not allows([], "identity", "GET", "/v3/users")
    assert not allows([], "identity", "GET", "/v3/users/x/v3/auth/tokens")
