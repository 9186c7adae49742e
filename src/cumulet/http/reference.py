"""A page of reference per operation, in Markdown, out of a service's OpenAPI document and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]


def pages(document: Document) -> Iterator[tuple[str, str]]:
    """(file name, text) of each operation's page, and of ``index.md`` with all of them."""
    index = [f"# {document['info']['title']} {document['info']['version']}", ""]
    for path, item in document["paths"].items():
        for method, key, operation in _each(item):
            name = f"{operation['operationId'].partition('.')[2]}.md"
            title = f"{method.upper()} {path}{key and f' {key}'}"
            index.append(f"- [`{title}`]({name}) — {operation['summary']}")
            yield name, "\n".join(_page(document, title, operation)) + "\n"
    yield "index.md", "\n".join(index) + "\n"


def _each(item: Document) -> Iterator[tuple[str, str, Document]]:
    """Method, key of the action (empty for what is none) and description of all that a path has."""
    for method, operation in item.items():
        actions = operation.get("x-openstack-actions")
        yield from ((method, key, each) for key, each in actions.items()) if actions else [(method, "", operation)]


def _page(document: Document, title: str, operation: Document) -> Iterator[str]:
    yield f"# {operation['summary'].rstrip('.')}"
    yield f"\n```\n{title}\n```\n"
    if more := operation["description"].partition("\n")[2].strip():
        yield f"{more}\n"
    yield from _facts(operation)
    yield "\n## Parameters\n\n| name | where | needed | what |\n|---|---|---|---|"
    for parameter in operation["parameters"]:
        needed = "yes" if parameter.get("required") else "no"
        what = _kind(parameter["schema"]) + (f", e.g. `{parameter['example']}`" if "example" in parameter else "")
        yield f"| `{parameter['name']}` | {parameter['in']} | {needed} | {what} |"
    if body := operation.get("requestBody"):
        yield f"\n## Body\n\n{', '.join(f'`{kind}`' for kind in body['content'])}\n"
        for content in body["content"].values():
            yield from _shape(document, content["schema"], set())
    yield "\n## Answers\n\n| status | |\n|---|---|"
    for status, answer in operation["responses"].items():
        yield f"| {status} | {_resolved(document, answer)['description']} |"
    yield from _bodies(document, operation["responses"])
    for earlier in operation.get("x-openstack-earlier", []):
        yield f"\n## Until {earlier['x-openstack-max-version']}\n\n{earlier['description']}\n"
        for content in earlier.get("requestBody", {"content": {}})["content"].values():
            yield from _shape(document, content["schema"], set())


def _bodies(document: Document, responses: Document) -> Iterator[str]:
    """What stands in the bodies of answers, each shape once."""
    seen: set[str] = set()
    for status, answer in responses.items():
        for content in _resolved(document, answer).get("content", {}).values():
            if schema := content.get("schema"):
                yield f"\n### {status}\n"
                yield from _shape(document, schema, seen)


def _facts(operation: Document) -> Iterator[str]:
    if "x-openstack-min-version" in operation:
        yield f"- since microversion {operation['x-openstack-min-version']}"
    if "x-openstack-max-version" in operation:
        yield f"- until microversion {operation['x-openstack-max-version']}"
    if rule := operation.get("x-openstack-policy"):
        yield f"- rule of policy: `{rule}` (`cumulet policy check {rule}` tells who passes it)"
    yield "- needs a token (`X-Auth-Token`)" if operation["security"] else "- needs no token"


def _resolved(document: Document, schema: Document) -> Document:
    while ref := schema.get("$ref"):
        _, room, name = ref.removeprefix("#/").split("/", 2)
        schema = document["components"][room][name]
    return schema


def _shape(document: Document, schema: Document, seen: set[str]) -> Iterator[str]:
    """A table of an object's fields, then the tables of the objects in it."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in seen:
        return
    seen.add(name)
    found = _resolved(document, schema)
    fields = found.get("properties")
    if not fields:
        yield f"{_kind(found)}\n"
        return
    yield f"**{found.get('title') or name or 'object'}**\n\n| field | needed | what |\n|---|---|---|"
    for field, inner in fields.items():
        yield f"| `{field}` | {'yes' if field in found.get('required', []) else 'no'} | {_kind(inner)} |"
    yield ""
    for inner in fields.values():
        for ref in _refs(inner):
            yield from _shape(document, {"$ref": ref}, seen)


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for inner in schema.values():
            yield from _refs(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _refs(inner)


def _kind(schema: Document) -> str:
    """A schema in a few words."""
    words = []
    if ref := schema.get("$ref"):
        words.append(ref.rpartition("/")[2])
    if "enum" in schema:
        words.append("one of " + ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"]))
    elif "anyOf" in schema:
        words.append(" or ".join(_kind(part) for part in schema["anyOf"]))
    elif kind := schema.get("type"):
        one = " or ".join(kind) if isinstance(kind, list) else str(kind)
        words.append(f"{kind} of {_kind(schema['items'])}" if kind == "array" and "items" in schema else one)
    limits = {"minLength": "at least {} long", "maxLength": "at most {} long", "minimum": "from {}", "maximum": "to {}"}
    words += [limits[key].format(schema[key]) for key in limits if key in schema]
    if "pattern" in schema:
        words.append(f"like `{schema['pattern']}`".replace("|", "\\|"))
    for key, word in (("x-openstack-min-version", "since"), ("x-openstack-max-version", "until")):
        if key in schema:
            words.append(f"{word} {schema[key]}")
    return ", ".join(words) or "anything"
