"""Our checks answer as oslo.policy's own enforcer does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_policy import policy as oslo

from cumulet.auth import Caller, Forbidden, Policy, Rule
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
]


def callers() -> st.SearchStrategy[Caller]:
    roles = st.sets(st.sampled_from(["admin", "manager", "member", "reader"])).map(tuple)
    return st.builds(
        lambda roles, project, user: Caller(user, user, "default", roles=roles, project_id=project),
        roles,
        st.sampled_from(["p1", "p2"]) | st.none(),
        st.sampled_from(["u1", "u2"]),
    )


@given(callers(), st.sampled_from(["p1", "p2"]), st.sampled_from(["u1", "u2"]), st.sampled_from(["shared", "private"]))
def test_same_answers_as_the_enforcer(caller: Caller, project: str, user: str, visibility: str) -> None:
    ours = Policy(RULES)
    theirs = oslo.Enforcer(cfg.ConfigOpts(), use_conf=False)
    theirs.set_rules(oslo.Rules.from_dict({rule.name: rule.check for rule in (*SHARED, *RULES)}), use_conf=False)
    target = {"project_id": project, "user_id": user, "visibility": visibility, "network.project_id": project}
    for rule in RULES:
        assert ours.allows(rule.name, caller, target) == bool(
            theirs.enforce(rule.name, target, dict(caller.credentials))
        ), rule


def test_overrides(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"all": "role:admin"\n')
    policy = Policy(RULES, file)
    reader = Caller("u", "u", "default", roles=("reader",))
    with pytest.raises(Forbidden):
        policy.require("all", reader)
    file.write_text('"all": "role:admin or ("\n')
    with pytest.raises(ValueError, match="all"):
        policy.reload()
    assert not policy.allows("all", reader)


def test_an_unknown_rule_allows_nobody() -> None:
    assert not Policy([]).allows("nobody:declared", Caller("u", "u", "default", roles=("admin",)))


@pytest.mark.parametrize(("scopes", "granted"), [((), 4), (("project",), 2), (("system", "domain"), 3)])
def test_a_rule_is_for_tokens_of_its_scopes(scopes: tuple[str, ...], granted: int) -> None:
    policy = Policy([Rule("r", "role:admin", scopes=scopes)])
    places = ({"project_id": "p"}, {"domain_id": "d"}, {"system_scope": "all"}, {})
    callers = [Caller("u", "u", "default", roles=("admin",), **place) for place in places]
    assert sum(policy.allows("r", caller) for caller in callers) == granted, "an unscoped token is bound by the check"
    assert not policy.allows("r", Caller("u", "u", "default", project_id="p"))
