"""JSON Schema as Glance serves it and as we enforce it: one declaration for both.

`Schema` is what ``/v2/schemas/…`` shows; `check` refuses a value that does not fit, in the words of JSON Schema. It
knows the keywords that image's declarations use, and no others; a pattern that a client wrote is never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cumulet.http.faults import BadRequest
from cumulet.http.repeats import repeated
from cumulet.http.shapes import parse
from cumulet.http.versions import Version

Declared = dict[str, Any]
"""A JSON Schema, or a part of one."""

UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
MAX_TEXT = 65535
"""Characters of any one text."""


class Mismatch(Exception):
    """A value does not fit. The text is JSON Schema's."""


def text(about: str = "", *, most: int | None = None, null: bool = False, **more: Any) -> Declared:
    """A string of at most `most` characters, or null."""
    length = {} if most is None else {"maxLength": most}
    described = {"description": about} if about else {}
    return {"type": ["null", "string"] if null else "string", **described, **length, **more}


def array(items: Declared, **more: Any) -> Declared:
    """A list of `items`."""
    return {"type": "array", "items": items, **more}


def record(properties: Mapping[str, Declared], **more: Any) -> Declared:
    """An object with these properties, and others unless `more` forbids them."""
    return {"type": "object", "properties": dict(properties), **more}


def links(*rels: tuple[str, str]) -> list[dict[str, str]]:
    """Links of a schema: (relation, the property that holds the address)."""
    return [{"rel": rel, "href": f"{{{name}}}"} for rel, name in rels]


def inlined(schema: Any, definitions: Declared | None = None) -> Any:
    """`schema` with its definitions in place of the references to them."""
    if isinstance(schema, list):
        return [inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("definitions", definitions)
    if "$ref" in schema:
        return inlined((definitions or {})[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: inlined(each, definitions) for name, each in schema.items() if name != "definitions"}


class Document:
    """A body that a JSON Schema of ours describes, as http meets it.

    - `form`: what kind of JSON a request is; another is refused in http's words.
    - `read`: what else is checked before anything is looked up, and what the handler gets. Without it the handler gets
      the JSON, and checks it where Glance does: after the policy.
    - `always`: fields that every answer has.
    """

    def __init__(
        self,
        declared: Declared,
        *,
        form: Any = dict,
        read: Callable[[Any], Any] | None = None,
        always: Iterable[str] = (),
    ) -> None:
        self.declared, self.form, self.read, self.always = declared, form, read, list(always)

    def parse(self, raw: Any, version: Version) -> Any:
        """See `cumulet.http.bodies.Body`."""
        found = parse(self.form, raw, version)
        return found if self.read is None else self.read(found)

    def schema(self, version: Version | None, named: Any = None) -> Declared:
        """See `cumulet.http.bodies.Shape`."""
        shown: Declared = {"type": "object" if self.form is dict else "array", **inlined(self.declared)}
        return {**shown, "required": self.always} if self.always else shown


# ---- checking -----------------------------------------------------------------------------------------------

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def require(name: str, schema: Declared, value: Any) -> None:
    """Raise 400 in Glance's words unless `value` fits the schema called `name`."""
    try:
        check(schema, value, schema)
    except Mismatch as mismatch:
        raise mismatched(name, str(mismatch)) from None


def mismatched(name: str, reason: str) -> BadRequest:
    """Glance's refusal of what does not fit the schema called `name`."""
    return BadRequest(f"Provided object does not match schema '{name}': {reason}")


def check(schema: Declared, value: Any, root: Declared) -> None:
    """Raise Mismatch unless `value` fits; `root` holds the definitions that `schema` refers to."""
    if "$ref" in schema:
        check(root["definitions"][schema["$ref"].rpartition("/")[2]], value, root)
        return
    for part in schema.get("allOf", ()):
        check(part, value, root)
    if "type" in schema:
        _typed(schema["type"], value)
    if "enum" in schema and not any(value == choice and type(value) is type(choice) for choice in schema["enum"]):
        raise Mismatch(f"{value!r} is not one of {list(schema['enum'])}")
    if isinstance(value, str):
        _fits_text(schema, value)
    elif isinstance(value, list):
        _fits_array(schema, value, root)
    elif isinstance(value, dict):
        _fits_object(schema, value, root)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _fits_number(schema, value)


def _typed(kinds: str | list[str], value: Any) -> None:
    wanted = [kinds] if isinstance(kinds, str) else kinds
    for kind in wanted:
        if isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool)):
            return
    raise Mismatch(f"{value!r} is not of type {', '.join(repr(kind) for kind in wanted)}")


def _fits_text(schema: Declared, value: str) -> None:
    if len(value) > schema.get("maxLength", MAX_TEXT):
        raise Mismatch(f"{value[:300]!r} is too long")
    if len(value) < schema.get("minLength", 0):
        raise Mismatch(f"{value!r} is too short")
    if "\0" in value:
        raise Mismatch("a text may not hold the character NUL")
    if "pattern" in schema and not _matches(schema["pattern"], value):
        raise Mismatch(f"{value!r} does not match {schema['pattern']!r}")


def _matches(pattern: str, value: str) -> bool:
    """JSON Schema's `$` is the end of the text; Python's is true before a last line's end, too."""
    ended = pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
    return re.search(ended, value) is not None


def _fits_number(schema: Declared, value: float) -> None:
    if "minimum" in schema and value < schema["minimum"]:
        raise Mismatch(f"{value} is less than the minimum of {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise Mismatch(f"{value} is greater than the maximum of {schema['maximum']}")


def _fits_array(schema: Declared, value: list[Any], root: Declared) -> None:
    if schema.get("uniqueItems") and repeated(value) is not None:
        raise Mismatch(f"{value!r} has non-unique elements")
    if "items" in schema:
        for item in value:
            check(schema["items"], item, root)


def _fits_object(schema: Declared, value: dict[str, Any], root: Declared) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            raise Mismatch(f"{name!r} is a required property")
    for name, needed in schema.get("dependentRequired", {}).items():
        missing = [other for other in needed if name in value and other not in value]
        if missing:
            raise Mismatch(f"{missing[0]!r} is a dependency of {name!r}")
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    strange = [name for name in value if name not in known]
    if strange and others is False:
        raise Mismatch(f"Additional properties are not allowed ({_listed(strange)} unexpected)")
    for name, item in value.items():
        _fits_text({}, name)
        if name in known:
            check(known[name], item, root)
        elif isinstance(others, dict):
            check(others, item, root)


def _listed(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    return f"{', '.join(quoted)} {'was' if len(quoted) == 1 else 'were'}"
