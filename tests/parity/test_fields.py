"""The fields of our requests and answers, as declared, beside those of OpenStack's references, at each version.

`facts` says how the references were recorded. What differs and why stands in `differences`; a difference that is no
more fails as well, so that the list shrinks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cumulet.cli.controller import declared
from cumulet.http import Operation
from cumulet.http.bodies import EMPTY, Shape, body_of, schema_of
from cumulet.services.network import extensions
from cumulet.services.network.bodies import ShownList
from cumulet.services.network.model.nouns import Noun
from tests.matrix.services import name_of
from tests.parity import facts
from tests.parity.differences import ATTRIBUTES, KNOWN

LAST = (9999, 9999)
WHOLE = {"compute", "placement"}
"""Whose samples have all that is answered: they are checked by the originals' own tests. Keystone's and Glance's are
written by hand, and leave out what came later."""


def compared(service: str) -> Iterator[str]:
    """Each difference: ``body at version: +field``."""
    maximum = declared()[service].microversions
    operations = {name_of(operation): operation for operation in declared()[service].operations}
    for fact in facts.load(service).values():
        operation = operations[fact.operation]
        shape = _shape(operation, fact.kind)
        for at, names in fact.samples.items():
            asked = max(at, operation.since or at)
            if asked > (operation.until or LAST) or (maximum is not None and asked > maximum.maximum):
                continue  # of a version that is not served
            whole = fact.kind == "response" and service in WHOLE
            for each in facts.differences(schema_of(shape, asked), names, whole=whole):
                yield f"{fact.name} at {at[0]}.{at[1]}: {each}"


def _shape(operation: Operation, kind: str) -> Shape:
    """Of what the fact is about. Fails when it is not declared."""
    assert operation.request is not None or kind == "response", operation.name
    shape: Shape = operation.response if kind == "response" else body_of(operation.request)
    assert shape is not None and shape is not EMPTY, operation.name
    return shape


@pytest.mark.parametrize("service", sorted(KNOWN))
def test_fields_are_those_of_the_reference(service: str) -> None:
    known = {pattern: re.compile(pattern) for pattern in KNOWN[service]}
    used, strange = set(), []
    for each in compared(service):
        found = [pattern for pattern, compiled in known.items() if compiled.search(each)]
        used.update(found)
        if not found:
            strange.append(each)
    assert strange == [], "\n".join(strange)
    assert known.keys() - used == set(), "what differs no more"


def attributes() -> Iterator[str]:
    """Each difference of an attribute of network: ``collection/name: +can`` is theirs alone, ``-can`` ours alone."""
    served = {"network", "port", "subnet", *(each.alias for each in extensions.EXTENSIONS)}
    theirs: dict[tuple[str, str], set[str]] = {}
    for line in (facts.FOLDER / "network.txt").read_text().splitlines():
        alias, collection, name, *can = line.split()
        if alias in served:
            theirs.setdefault((collection, name), set()).update(can)
    for noun in nouns():
        ours = {
            name: {word for word, can in (("shown", each.shown), ("post", each.post), ("put", each.put)) if can}
            for name, each in noun.resource.attributes.items()
        }
        plural = noun.core.plural
        known = {name: can for (collection, name), can in theirs.items() if collection == plural}
        for name in sorted((ours.keys() | known.keys()) - {"tenant_id", "project_id"}):
            mine, other = ours.get(name, set()), known.get(name, set())
            yield from (f"{plural}/{name}: +{can}" for can in sorted(other - mine))
            yield from (f"{plural}/{name}: -{can}" for can in sorted(mine - other))


def nouns() -> list[Noun]:
    """Network's, as their operations declare them."""
    found = {
        id(shape.noun): shape.noun
        for shape in (o.response for o in declared()["network"].operations)
        if isinstance(shape, ShownList)
    }
    assert len(found) == 7
    return list(found.values())


def test_attributes_are_neutrons() -> None:
    known = {pattern: re.compile(pattern) for pattern in ATTRIBUTES}
    found = list(attributes())
    assert [each for each in found if not any(one.search(each) for one in known.values())] == []
    assert [pattern for pattern, one in known.items() if not any(map(one.search, found))] == [], "what differs no more"
