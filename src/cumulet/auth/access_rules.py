"""Access rules: the few requests that a token of an application credential may be used for.

The pattern of a path is keystonemiddleware's: ``{anything}`` and ``*`` stand for one step of the path, ``**`` for any
text. Patterns come from users: they are matched as expressions that know nothing else, in time linear in the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cumulet.patterns import Pattern, Refused, escaped

_TOKENS = re.compile(r"\{[^}]*\}|\*\*|\*|[^{}*]")
_STEP, _ANY = "[^/]+", ".*"
LONGEST_PATH = 2048
VALIDATION = ("identity", "GET", "/v3/auth/tokens")


def allows(rules: Iterable[Mapping[str, str]], service: str, method: str, path: str) -> bool:
    """Whether one of `rules` fits a request to the service of that type. `path`: the whole of it, as it was routed. A
    token may always be looked at."""
    if (service, method, path) == VALIDATION:
        return True
    return any(rule["service"] == service and rule["method"] == method and fits(rule["path"], path) for rule in rules)


def fits(pattern: str, path: str) -> bool:
    """Whether the whole `path` is of the form of `pattern`. One that is longer than any that means something is not."""
    if len(path) > LONGEST_PATH:
        return False
    form = _form(pattern)
    return form is not None and form.match(path)


@lru_cache(maxsize=256)
def _form(pattern: str) -> Pattern | None:
    """The pattern as an expression that says the same; None for one too large, which fits nothing."""
    parts = [_ANY if part == "**" else _STEP if part[0] in "*{" else escaped(part) for part in _TOKENS.findall(pattern)]
    try:
        return Pattern(f"(?s)^{''.join(parts)}$", by_bytes=True)
    except Refused:
        return None
