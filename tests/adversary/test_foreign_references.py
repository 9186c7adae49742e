"""Bob's own requests with one id of alice's in them (cases 7, 18 and 50): each is refused, and nothing of hers shows.

A request is the matrix's, with bob's things in it, and must be accepted so. Then each field that names a thing gets
one of alice's. Fields come from the matrix's requests, from the declared shapes, and from schemas; one that
`fields.FIELDS` does not know fails here: say there what it names.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from cumulet.cli.controller import declared
from cumulet.http import Operation
from cumulet.http.bodies import body_of
from tests.adversary.fields import IGNORED, TAKEN, UNREADY, Names, named
from tests.adversary.test_foreign_ids import free, requests
from tests.adversary.town import Town, in_path
from tests.matrix.asking import Ask, filled
from tests.matrix.services import PARTS, name_of, takes_nothing, version_of

Place = tuple[str | int, ...]
NEWEST = (9999, 0)


def text_of(place: Place) -> str:
    return ".".join(str(each) for each in place if not isinstance(each, int))


# ---- which fields there are


def of_shape(shape: Any, before: Place = (), inside: tuple[type, ...] = ()) -> Iterator[Place]:
    """Places of texts and free objects in a declared shape; of a list, the first item."""
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)) or shape in inside:
        return
    hints = get_type_hints(shape)
    for each in msgspec.structs.fields(shape):
        yield from _of_hint(hints[each.name], (*before, each.encode_name), (*inside, shape))


def _of_hint(hint: Any, place: Place, inside: tuple[type, ...]) -> Iterator[Place]:
    if hint in (str, dict, Any) or get_origin(hint) is dict:
        yield place
    elif get_origin(hint) in (list, tuple):
        for item in get_args(hint):
            if item is str:
                yield place
            else:
                yield from _of_hint(item, (*place, 0), inside)
    elif get_args(hint):
        for part in get_args(hint):
            yield from _of_hint(part, place, inside)
    else:
        yield from of_shape(hint, place, inside)


def of_schema(schema: Any, depth: int) -> Iterator[Place]:
    """The fields of a body that its service checks in its own way: `depth` is 1, or 2 for those of a resource in it."""
    for one in (schema, *schema.get("anyOf", ())):
        for name, inner in one.get("properties", {}).items():
            if depth == 1:
                yield (name,)
            else:
                yield from ((name, *place) for place in of_schema(inner, depth - 1))


def of_request(body: Any, before: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Places and values of what a request of the matrix holds."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from of_request(value, (*before, name))
    elif isinstance(body, list):
        for number, value in enumerate(body):
            yield from of_request(value, (*before, number))
    else:
        yield before, body


def places(service: str, operation: Operation, ask: Ask) -> set[Place]:
    """Where the body of a request may hold something."""
    if takes_nothing(operation):
        return set()
    found = set(of_shape(operation.request))
    if isinstance(ask.body, (dict, list)):
        found |= {place for place, _ in of_request(ask.body) if place}
    if isinstance(ask.body, dict) and not isinstance(operation.request, type | None):
        schema = body_of(operation.request).schema(NEWEST)
        if service == "image":
            found |= set(of_schema(schema, 1))
        else:
            found |= {place for place in of_schema(schema, 2) if place[0] in ask.body}
    return {tuple(each) for each in found if not isinstance(each[-1], int) or len(each) > 1}


def put(body: Any, place: Place, names: Names, value: str) -> Any:
    """The body with what the field holds when it names `value`."""
    made = copy.deepcopy(body) if body is not None else {}
    here = made
    for step, following in itertools.pairwise(place):
        room: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            here[step:] = here[step : step + 1] or [room]
        elif not isinstance(here.get(step), type(room)):
            here[step] = room
        here = here[step]
    if isinstance(place[-1], int):
        here[place[-1] :] = [_with(names.value, value)]
    else:
        here.update({**names.beside, place[-1]: _with(names.value, value)})
    return made


def _with(shape: Any, value: str) -> Any:
    if isinstance(shape, dict):
        return {name: _with(each, value) for name, each in shape.items()}
    if isinstance(shape, list):
        return [_with(each, value) for each in shape]
    return value if shape == "$" else shape


# ---- the tests


@pytest.mark.parametrize("service", sorted(PARTS))
def test_every_field_of_a_body_is_known(service: str) -> None:
    unknown = set()
    for operation, name, ask in requests(service):
        for place in places(service, operation, ask):
            try:
                named(service, text_of(place))
            except KeyError:
                unknown.add(f"{name}: {text_of(place)}")
    assert sorted(unknown) == [], (
        "say in tests/adversary/fields.py, FIELDS, which thing these name, or that they name nothing of a tenant's"
    )


def substitutions(town: Town, service: str, operation: Operation, ask: Ask, own: Any) -> Iterator[tuple[str, str, Any]]:
    """Places, ids and bodies: `own` with one thing of alice's in it."""
    mine = {**town.ids(service), **town.mine}
    for place in sorted(places(service, operation, ask), key=str):
        names = named(service, text_of(place))
        if names is not None:
            owner, _, thing = names.thing.partition(":")
            hers = town.ids(owner)[thing]
            yield text_of(place), hers, put(own, place, names, hers)
    if isinstance(ask.body, (dict, list)):
        for place, value in of_request(ask.body):
            hers = filled(value, {**town.ids("network"), **town.ids(service)}) if isinstance(value, str) else value
            if place and hers in town.marks and hers != (filled(value, mine) if isinstance(value, str) else value):
                yield text_of(place), hers, put(own, place, Names(""), hers)


def matches(patterns: Mapping[str, str], text: str) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)


def asked_with(town: Town, service: str, operation: Operation, name: str, ask: Ask) -> tuple[int, list[str]]:
    """Ask with bob's own things, then with one of alice's in each place. How often that was, and what is wrong."""
    ids = {**town.ids(service), **town.mine}
    headers = {**version_of(declared()[service], name_of(operation)), **filled(ask.headers, ids)}
    path, own = in_path(operation, ask, ids), filled(ask.body, ids)
    tries = list(substitutions(town, service, operation, ask, own))
    answer, _ = town.judged(service, operation.method, path, own, headers=headers)
    if answer.status in (401, 403) or not tries:
        return 0, []  # bob may not call it at all
    faults: list[str] = []
    if answer.status >= 400 and not matches(UNREADY, f"{service} {name}"):
        faults.append(f"{service} {name}: {answer.status} {answer.body[:200]!r} with bob's own things")
    for place, hers, body in tries:
        answer, found = town.judged(service, operation.method, path, body, headers=headers)
        where = f"{service} {name}: {place}"
        faults += [f"{where}: {each}" for each in found if not free(service, name, each)]
        if answer.status >= 500:
            faults.append(f"{where}: {answer.status}")
        allowed = matches(TAKEN, where) or (matches(IGNORED, where) and not town.keeps(hers))
        if answer.status < 400 and not allowed:
            faults.append(f"{where}: {answer.status}, taken" + (" and kept" if town.keeps(hers) else ""))
    return len(tries), faults


@pytest.mark.parametrize("service", sorted(PARTS))
def test_alices_ids_in_every_body(town: Town, service: str) -> None:
    """Findings S3 and S9, cases 7, 18 and 50."""
    faults, asked = [], 0
    for operation, name, ask in [*requests(service), *more(service)]:
        if operation.method in ("POST", "PUT", "PATCH") and operation.request is not None:
            number, found = asked_with(town, service, operation, name, ask)
            asked += number
            faults += found
    assert not faults, "\n".join(faults)
    assert asked >= {"placement": 0, "image": 8, "compute": 15, "identity": 20, "network": 60}[service]


def more(service: str) -> Iterator[tuple[Operation, str, Ask]]:
    """Requests beside the matrix's: a server with ports."""
    if service == "compute":
        server = {"name": "new", "flavorRef": "$flavor_id", "imageRef": "$image_id"}
        body = {"server": {**server, "networks": [{"uuid": "$network_id"}], "security_groups": [{"name": "$group_id"}]}}
        (operation,) = [
            each for each in declared()[service].operations if (each.method, each.path) == ("POST", "/v2.1/servers")
        ]
        yield operation, "POST /v2.1/servers (with ports)", Ask(body)
