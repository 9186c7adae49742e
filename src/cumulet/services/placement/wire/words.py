"""How placement words what does not fit a shape: as the JSON Schema validator that its users know does."""

from __future__ import annotations

import re

from cumulet.http.faults import BadRequest, Fault
from cumulet.http.shapes import Invalid

_KINDS = (
    (re.compile("is a required property\\Z"), "required"),
    (re.compile("were? unexpected\\)\\Z"), "additionalProperties"),
    (re.compile("is less than the minimum of"), "minimum"),
    (re.compile("is greater than the maximum of|^Expected `float` <="), "maximum"),
    (re.compile("do(es)? not match any of the regexes"), "additionalProperties"),
    (re.compile("is not valid under any of the given schemas\\Z"), "anyOf"),
    (re.compile("does not match"), "pattern"),
    (re.compile("is not of type"), "type"),
    (re.compile("is not a 'uuid'\\Z"), "format"),
    (re.compile("has non-unique elements\\Z"), "uniqueItems"),
    (re.compile("is not one of"), "enum"),
)
_KEY = re.compile("does not match '(.*)' - at `key` in `.*`\\Z", re.S)


def body(invalid: Invalid) -> Fault:
    """400 for a body that does not fit."""
    return BadRequest("JSON does not validate: " + _worded(invalid))


def query(name: str, value: str, problem: str) -> Fault:
    """400 for a parameter of the query that does not fit."""
    return BadRequest("Invalid query string parameters: " + _worded(Invalid(name, value, problem)))


def _worded(invalid: Invalid) -> str:
    problem, value = invalid.problem, invalid.value
    key = _KEY.search(problem)
    if key is not None:
        problem = f"a name does not match any of the regexes: '{key[1]}'"
    if problem.endswith(" is too short") and isinstance(value, dict):
        problem = f"{value!r} does not have enough properties"
    validator = _validator(problem, value)
    if validator is None:
        return problem
    steps = [step for step in invalid.path.split(".") if step]
    schema = "".join("['items']" if step.isdecimal() else f"['properties']['{step}']" for step in steps)
    instance = "".join(f"[{step}]" if step.isdecimal() else f"['{step}']" for step in steps)
    return f"{problem}\n\nFailed validating '{validator}' in schema{schema}:\n\nOn instance{instance}:\n    {value!r}"


def _validator(problem: str, value: object) -> str | None:
    if problem.endswith("enough properties"):
        return "minProperties"
    for end, most in (("is too long", "max"), ("is too short", "min")):
        if problem.endswith(end):
            return f"{most}Items" if isinstance(value, list) else f"{most}Length"
    return next((name for pattern, name in _KINDS if pattern.search(problem)), None)
