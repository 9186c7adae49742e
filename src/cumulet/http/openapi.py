"""OpenAPI 3.1 out of the declared operations of a service, as of its newest version.

Windows of microversions are ``x-openstack-min-version`` and ``x-openstack-max-version``, on operations and on fields.
Where one method of a path means different things at different versions, the newest is described and the others stand
under ``x-openstack-earlier``. Actions of a path, which the body's only key tells apart, are one operation whose body is
one of theirs; each is described under ``x-openstack-actions``. Knows no service and writes no file.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cumulet.http import schemas
from cumulet.http.bodies import Media, Query
from cumulet.http.faults import TITLES, Fault
from cumulet.http.operation import Operation, Service
from cumulet.http.versions import text

PATH = "/openapi.json"
_STAR = re.compile(r"\{\*")
_NAME = re.compile(r"\{\w+\}")
_TOKEN: dict[str, list[str]] = {"token": []}
_TITLES = {200: "OK", 201: "Created", 202: "Accepted", 203: "OK", 204: "No Content", 206: "Partial Content", **TITLES}

Document = dict[str, Any]


def document(service: Service, release: str = "") -> Document:
    """The service's document. `release` is the package's version."""
    newest = text(service.microversions.maximum) if service.microversions else release
    bodies, components = schemas.schemas(
        shape
        for operation in service.operations
        for shape in (operation.request, operation.response)
        if shape is not None
    )
    statuses = sorted({s for operation in service.operations for s in operation.statuses if s >= 400})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Cumulet: {service.type}",
            "version": newest or "1",
            "description": f"OpenStack's {service.type} API as Cumulet answers it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(service, bodies),
        "components": {
            "schemas": components,
            "responses": {str(status): _fault(service, status) for status in statuses},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def template(path: str) -> str:
    """A declared path as OpenAPI writes it."""
    return _STAR.sub("{", path)


def _paths(service: Service, bodies: dict[Any, Document]) -> Document:
    """Path → method → operation. Paths that differ in the names of their parameters alone are one."""
    found: dict[str, Document] = {}
    known: dict[str, str] = {}
    names: dict[str, int] = {}
    newest_first = sorted(service.operations, key=lambda o: o.until or (9999, 9999), reverse=True)
    for operation in newest_first:
        path = template(operation.path)
        path = known.setdefault(_NAME.sub("{}", path), path)
        method = operation.method.lower()
        described = _operation(service, operation, path, bodies)
        item = found.setdefault(path, {})
        place, key = item, method
        if operation.action:
            place, key = _with_action(item.setdefault(method, {}), operation, described), operation.action
        if key in place:
            place[key].setdefault("x-openstack-earlier", []).append(described)
            continue
        times = names[operation.name] = names.get(operation.name, 0) + 1
        described["operationId"] = operation.name if times == 1 else f"{operation.name}.{times}"
        place[key] = described
    return {path: found[path] for path in sorted(found)}


def _with_action(all_of_them: Document, operation: Operation, described: Document) -> Document:
    """What a path with actions is, with one action more; where that one is to be described."""
    if not all_of_them:
        all_of_them |= {
            "operationId": f"{operation.service}.{operation.handler.__module__.rpartition('.')[2]}.action",
            "summary": "Do what the only key of the body says.",
            "description": "Do what the only key of the body says.",
            "tags": described["tags"],
            "parameters": described["parameters"],
            "responses": {},
            "security": described["security"],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": []}}}},
            "x-openstack-actions": {},
        }
    one_of = all_of_them["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    one_of.append(described["requestBody"]["content"]["application/json"]["schema"])
    for status, answer in described["responses"].items():
        all_of_them["responses"].setdefault(status, answer)
    found: Document = all_of_them["x-openstack-actions"]
    return found


def _operation(service: Service, operation: Operation, path: str, bodies: dict[Any, Document]) -> Document:
    found: Document = {
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.handler.__module__.rpartition(".")[2]],
        "parameters": _parameters(service, operation, path),
        "responses": _responses(operation, bodies),
        "security": [_TOKEN] if operation.auth else [],
    }
    if operation.media_types:
        schema = bodies.get(operation.request, {})
        content = {kind: {"schema": schema} for kind in operation.media_types}
        found["requestBody"] = {"required": operation.request is not None, "content": content}
    if operation.rule is not None:
        found["x-openstack-policy"] = operation.rule
    if operation.since is not None:
        found["x-openstack-min-version"] = text(operation.since)
    if operation.until is not None:
        found["x-openstack-max-version"] = text(operation.until)
        found["deprecated"] = True
    return found


def _parameters(service: Service, operation: Operation, path: str) -> list[Document]:
    found: list[Document] = [
        {"name": name[1:-1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _NAME.findall(path)
    ]
    if isinstance(operation.query, Query):
        found += operation.query.parameters()
    elif operation.query is not None:
        found += schemas.parameters(operation.query)
    if service.microversions is not None:
        example = f"{service.type} {text(service.microversions.maximum)}"
        header = {"name": "OpenStack-API-Version", "in": "header", "schema": {"type": "string"}, "example": example}
        found.append(header)
    return found


def _responses(operation: Operation, bodies: dict[Any, Document]) -> Document:
    found: Document = {}
    for status in operation.statuses:
        if status >= 400:
            found[str(status)] = {"$ref": f"#/components/responses/{status}"}
            continue
        found[str(status)] = {"description": _TITLES.get(status, "Success")}
        if status not in (204, 304) and operation.answers:
            found[str(status)]["content"] = _content(operation, bodies)
    return found


def _content(operation: Operation, bodies: dict[Any, Document]) -> Document:
    """What an answer holds, by media type."""
    if isinstance(operation.response, Media):
        return {kind: {} for kind in operation.response.types}
    if operation.response is None:
        return {"*/*": {}}
    return {"application/json": {"schema": bodies[operation.response]}}


def _fault(service: Service, status: int) -> Document:
    """An error as the service words it, with what it really renders as the example."""
    title = TITLES.get(status, "Error")
    body, kind = service.faults(
        Fault(title, status=status), "req-00000000-0000-0000-0000-000000000000", "application/json"
    )
    return {"description": title, "content": {kind: {"example": msgspec.json.decode(body)}}}
