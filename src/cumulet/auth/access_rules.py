"""Access rules: the few requests that a token of an application credential may be used for.

The pattern of a path is keystonemiddleware's: ``{anything}`` and ``*`` stand for one step of the path, ``**`` for any
text. Patterns come from users, so they are matched step by step in time bounded by their length, and never become a
regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

_TOKENS = re.compile(r"\{[^}]*\}|\*\*|\*|[^{}*]")
_STEP, _ANY = "*", "**"
VALIDATION = ("identity", "GET", "/v3/auth/tokens")


def allows(rules: Iterable[Mapping[str, str]], service: str, method: str, path: str) -> bool:
    """Whether one of `rules` fits a request to the service of that type. `path`: the whole of it, as it was routed. A
    token may always be looked at."""
    if (service, method, path) == VALIDATION:
        return True
    return any(rule["service"] == service and rule["method"] == method and fits(rule["path"], path) for rule in rules)


@lru_cache(maxsize=1000)
def _parts(pattern: str) -> tuple[str, ...]:
    found = [_STEP if part.startswith("{") else part for part in _TOKENS.findall(pattern)]
    # Two of them in a row are one: else each letter of a path would be looked at by all pairs of them.
    return tuple(part for place, part in enumerate(found) if part != _ANY or found[place - 1 : place] != [_ANY])


def fits(pattern: str, path: str) -> bool:
    """Whether the whole `path` is of the form of `pattern`."""
    parts = _parts(pattern)
    states = _passed(parts, {0})
    for character in path:
        after: set[int] = set()
        for state in states:
            part = parts[state] if state < len(parts) else None
            if part == _ANY:
                after.add(state)
            elif part == _STEP:
                if character != "/":
                    after |= {state, state + 1}
            elif part == character:
                after.add(state + 1)
        states = _passed(parts, after)
        if not states:
            return False
    return len(parts) in states


def _passed(parts: tuple[str, ...], states: set[int]) -> set[int]:
    """`states` with those that are reached without a character: ``**`` may stand for nothing."""
    whole = set(states)
    for state in states:
        while state < len(parts) and parts[state] == _ANY:
            state += 1
            whole.add(state)
    return whole
