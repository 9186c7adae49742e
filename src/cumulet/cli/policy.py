"""`cumulet policy sample|check`: the rules of policy as a file to start from, and who may do what under them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cumulet.cli.errors import CliError

if TYPE_CHECKING:  # other verbs start without the services
    from cumulet.auth import Policies, Policy

_HEAD = """\
# Every rule of policy with its default. Copy what you want to change to policy.yaml in the state folder and take the
# comment sign away; it is in force a second later, without a restart. `cumulet policy check` tells who may do what.
#
# Rules stand for themselves, or below the name of a service when they are meant for that service only.
# Tokens of another kind than a rule's scopes are refused whatever their roles.
"""


def add(verbs: Any) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("policy", help="the rules of policy, and who may do what", description=__doc__)
    parser.add_argument("word", choices=("sample", "check"), help="print a policy.yaml with every rule, or try yours")
    parser.add_argument("rule", nargs="*", help="with check: print who passes the rules with these words in their name")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the sub-verb; its exit status."""
    return sample() if args.word == "sample" else check(args)


def sample() -> int:
    """Print the sample."""
    print("\n".join(sample_lines()))
    return 0


def sample_lines() -> Iterator[str]:
    """The lines of the sample file."""
    from cumulet.auth.policy import SHARED
    from cumulet.cli.controller import declared
    from cumulet.http.rules import described

    services = declared()
    texts: dict[str, set[str]] = {}
    for service in services.values():
        for rule in service.rules:
            texts.setdefault(rule.name, set()).add(rule.check)
    yield _HEAD
    yield "# ---- what the rules of several services are made of\n"
    for rule in SHARED:
        yield from (f"# {line}" for line in textwrap.wrap(rule.description, 110))
        yield f'#"{rule.name}": {_quoted(rule.check)}'
    yield ""
    for name, service in services.items():
        yield f"# ---- {name}\n"
        for found in described(service):
            yield from (f"# {line}" for line in textwrap.wrap(found.text, 110))
            yield from (f"# {operation.method:<7}{operation.path}" for operation in found.operations)
            if found.rule.scope_types:
                yield f"# Scopes: {', '.join(found.rule.scope_types)}"
            line = f'"{found.rule.name}": {_quoted(found.rule.check)}'
            if len(texts[found.rule.name]) > 1:  # two services mean different things by it
                yield f"#{name}:"
                line = f"  {line}"
            yield f"#{line}\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ---- who may do what

_HOME, _AWAY = "home", "away"
# All but the cloud's own administrator are of a domain that was handed out.
PERSONAS: dict[str, dict[str, Any]] = {
    **{role: {"roles": role, "project_id": _HOME, "project_domain_id": _HOME} for role in ("reader", "member")},
    **{role: {"roles": role, "project_id": _HOME, "project_domain_id": _HOME} for role in ("manager", "admin")},
    **{f"domain {role}": {"roles": role, "domain_id": _HOME} for role in ("reader", "manager", "admin")},
    **{f"system {role}": {"roles": role, "system_scope": "all"} for role in ("reader", "admin")},
    "service": {"roles": "service", "project_id": _AWAY},
    "cloud admin": {"roles": "admin", "project_id": _AWAY, "project_domain_id": "default"},
}
_IMPLIED = {
    "reader": ("reader",),
    "member": ("member", "reader"),
    "manager": ("manager", "member", "reader"),
    "admin": ("admin", "manager", "member", "reader"),
    "service": ("service",),
}


class _Target(dict[str, Any]):
    """A target on which every owner is the same; a rule may ask for any key."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner

    def __missing__(self, key: str) -> Any:
        if "role" in key:
            return "member" if key.endswith("name") else None
        if any(word in key for word in ("project", "tenant", "domain", "user", "owner", "member", "trust")):
            return self.owner
        return "private" if key == "visibility" else ""


def may(policy: Policy, rule: str, persona: str) -> str:
    """On whose resources a persona passes a rule: ``any``, ``own`` or ``-``."""
    from cumulet.auth import Caller

    facts = dict(PERSONAS[persona])
    caller = Caller(_HOME, persona, facts.pop("domain", _HOME), roles=_IMPLIED[facts.pop("roles")], **facts)
    caller = policy.seen(caller)
    if policy.allows(rule, caller, _Target("somewhere else")):
        return "any"
    return "own" if policy.allows(rule, caller, _Target(_HOME)) else "-"


def check(args: argparse.Namespace) -> int:
    """Print warnings, and a table of the rules that were asked for; 1 when the file is faulty."""
    from cumulet.auth import Policies, Policy, PolicyError
    from cumulet.auth.policy_file import NAME
    from cumulet.cli.controller import declared

    file = args.state / NAME
    policies = Policies(file, {name: Policy(service.rules) for name, service in declared().items()})
    try:
        warnings = policies.load()
    except PolicyError as error:
        raise CliError(str(error)) from error
    for warning in warnings:
        print(f"warning: {warning}")
    if not file.exists():
        print(f"{file} does not exist: the defaults are in force")
    if args.rule:
        lines = list(table(policies, args.rule))
        print("\n".join(lines) if len(lines) > 1 else "no rule has such a name")
        return 0 if len(lines) > 1 else 1
    print("The policy can be parsed. Name a rule, or a part of a name, to see who passes it.")
    return 0


def table(policies: Policies, words: list[str]) -> Iterator[str]:
    """Rules × personas: passes on any resource, on its own project's, domain's and user's, or not at all."""
    width = max(len(rule) for policy in policies.policies.values() for rule in policy.texts)
    yield " ".join([" " * width, *(f"{persona:>14}" for persona in PERSONAS)])
    seen = set()
    for policy in policies.policies.values():
        for rule in policy.texts:
            if rule not in seen and any(word in rule for word in words):
                seen.add(rule)
                yield " ".join([f"{rule:<{width}}", *(f"{may(policy, rule, persona):>14}" for persona in PERSONAS)])
