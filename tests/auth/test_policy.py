"""Our checks answer as oslo.policy's own enforcer does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_policy import policy as oslo

from cumulet.auth import Caller, Forbidden, Policy, PolicyError, Rule
from cumulet.auth.policy import SHARED

RULES = [
    Rule("owner", "project_id:%(project_id)s"),
    Rule("either", "role:admin or (role:member and rule:owner)"),
    Rule("neither", "not role:reader and not rule:owner"),
    Rule("user", "user_id:%(user_id)s"),
    Rule("literal", "'shared':%(visibility)s or role:admin"),
    Rule("nested", "project_id:%(network.project_id)s"),
    Rule("all", "@"),
    Rule("none", "!"),
    Rule("missing", "rule:there-is-none"),
    Rule("three", "role:admin or role:manager or role:reader and project_id:%(project_id)s"),
    Rule("capitals", "role:ADMIN or role:Auditor"),
    Rule("role of the target", "role:%(visibility)s"),
    Rule("one of a list", "roles:%(visibility)s"),
    Rule("no such attribute", "favourite_colour:%(visibility)s"),
    Rule("not in the target", "project_id:%(there_is_none)s or 'x':%(there_is_none)s"),
    Rule("true", "True:%(enabled)s"),
    Rule("number", "7:%(enabled)s"),
    Rule("deep", "token.project.domain.id:%(visibility)s"),
]


def callers() -> st.SearchStrategy[Caller]:
    roles = st.sets(st.sampled_from(["admin", "Admin", "manager", "member", "reader", "AUDITOR", "shared"])).map(tuple)
    return st.builds(
        lambda roles, project, user, domain: Caller(
            user, user, "default", roles=roles, project_id=project, project_domain_id=domain
        ),
        roles,
        st.sampled_from(["p1", "p2"]) | st.none(),
        st.sampled_from(["u1", "u2"]),
        st.sampled_from(["shared", "default"]) | st.none(),
    )


@given(
    callers(),
    st.sampled_from(["p1", "p2"]) | st.none(),
    st.sampled_from(["u1", "u2"]),
    st.sampled_from(["shared", "private"]),
    st.sampled_from([True, False, 7]),
)
def test_same_answers_as_the_enforcer(
    caller: Caller, project: str | None, user: str, visibility: str, enabled: bool | int
) -> None:
    ours = Policy(RULES)
    theirs = oslo.Enforcer(cfg.ConfigOpts(), use_conf=False)
    theirs.set_rules(oslo.Rules.from_dict({rule.name: rule.check for rule in (*SHARED, *RULES)}), use_conf=False)
    target: dict[str, Any] = {
        "project_id": project,
        "user_id": user,
        "visibility": visibility,
        "network.project_id": project,
    }
    target["enabled"] = enabled
    for rule in RULES:
        assert ours.allows(rule.name, caller, target) == bool(
            theirs.enforce(rule.name, target, dict(caller.credentials))
        ), rule


def test_overrides() -> None:
    policy = Policy(RULES, {"all": "role:admin"})
    reader = Caller("u", "u", "default", roles=("reader",))
    with pytest.raises(Forbidden):
        policy.require("all", reader)
    with pytest.raises(PolicyError, match="all"):
        policy.put({"all": "role:admin or ("})
    assert not policy.allows("all", reader)
    policy.put({})
    assert policy.allows("all", reader)


@pytest.mark.parametrize("text", ["rule:owner", "not rule:either", "role:a and (role:b or rule:either)"])
def test_a_rule_that_comes_back_to_itself_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="refers to itself"):
        Policy(RULES, {"owner": text})


@given(
    st.sampled_from(["all", None]),
    st.sampled_from(["d1", None]),
    st.sampled_from(["p1", None]),
    st.lists(st.sampled_from(["system", "domain", "project"]), unique=True),
)
def test_kinds_of_tokens_as_the_enforcer_sees_them(
    system: str | None, domain: str | None, project: str | None, kinds: list[str]
) -> None:
    caller = Caller(
        "u", "u", "d", roles=("admin",), system_scope=system, domain_id=None if system else domain, project_id=project
    )
    ours = Policy([Rule("r", "role:admin", scope_types=tuple(kinds)), Rule("outer", "rule:r")])
    config = cfg.ConfigOpts()
    config([], project="none")
    theirs = oslo.Enforcer(config)
    theirs.register_default(oslo.RuleDefault("r", "role:admin", scope_types=kinds or None))
    expected = theirs.authorize("r", {}, dict(caller.credentials))
    assert ours.allows("r", caller, {}) == bool(expected)
    assert ours.allows("outer", caller, {}), "what a rule refers to is looked at without its kinds of tokens"


def test_an_unknown_rule_allows_nobody() -> None:
    assert not Policy([]).allows("nobody:declared", Caller("u", "u", "default", roles=("admin",)))


@given(callers(), st.sampled_from(["role:manager", "role:AUDITOR and project_id:p1", "not role:admin", "@", "!"]))
def test_the_operators_context_is_admin_says_who_is_one(caller: Caller, text: str) -> None:
    """Where no rule is asked as well: handlers look at `is_admin`."""
    policy = Policy(RULES, {"context_is_admin": text, "cloud_admin": "role:admin"})
    seen = policy.seen(caller)
    assert seen.is_admin == policy.allows("context_is_admin", caller) == seen.credentials["is_admin"]
    assert policy.allows("admin_or_owner", seen, {"project_id": "another"}) == seen.is_admin
    assert (seen.roles, seen.user_id, seen.project_id) == (caller.roles, caller.user_id, caller.project_id)
    assert policy.seen(caller) is seen, "made once per token"
    assert Policy(RULES, {"cloud_admin": "role:admin"}).seen(caller) is caller


def test_an_administrator_of_a_domain_becomes_none_by_context_is_admin() -> None:
    """The role admin that is not the cloud's is gone before the rule looks."""
    caller = Caller("u1", "u1", "d1", roles=("admin", "manager"), project_id="p1", project_domain_id="d1")
    assert not Policy(RULES, {"context_is_admin": "role:admin"}).seen(caller).is_admin
    assert Policy(RULES, {"context_is_admin": "role:manager"}).seen(caller).is_admin
