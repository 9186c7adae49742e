"""What requests and answers about nouns look like, which follows from their attributes. Knows no row and no caller."""

from __future__ import annotations

from typing import Any

from cumulet.http import shapes
from cumulet.http.bodies import Named, OneOf, Query, Record, Schema, optional, schema_of, under
from cumulet.http.versions import Version
from cumulet.services.network import extensions
from cumulet.services.network.extensions.security_group import SECURITY_GROUP_RULE
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.wire.attributes import REQUIRED, Resource

LINKS = [Record("Link", {"rel": str, "href": str})]
_OWNER = {"tenant_id": str, "project_id": str}
_PAGE = {"limit": int, "marker": str, "page_reverse": bool, "sort_key": [str], "sort_dir": [str], "fields": [str]}


_ANSWERS: dict[tuple[str, bool], Record] = {}


def _answer(resource: Resource, whole: bool) -> Record:
    """An answer's resource; not `whole`: with the fields that its query names."""
    if (found := _ANSWERS.get((resource.name, whole))) is not None:
        return found
    called = _named(resource.name)
    shown = {name: attribute for name, attribute in resource.attributes.items() if attribute.shown}
    fields = {
        **_OWNER,
        **{name: optional(each.term) if each.hidden else each.term for name, each in shown.items()},
    }
    if resource.name == "security_group":
        fields["security_group_rules"] = [_answer(extensions.collected(SECURITY_GROUP_RULE), True)]
    if whole:
        made = Record(called, fields)
    else:
        made = Record(f"Listed{called}", {name: optional(term) for name, term in fields.items()})
    _ANSWERS[resource.name, whole] = made
    return made


class OfNoun:
    """A body about a noun, made when somebody asks: by then all extensions have added to the noun."""

    def __init__(self, noun: Noun) -> None:
        self.noun = noun

    @property
    def record(self) -> Any:
        """What the body is. To be written by who inherits."""
        raise NotImplementedError

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `cumulet.http.bodies.Shape`."""
        return schema_of(self.record, version, named)


class Shown(OfNoun):
    """The answer that shows one, with the fields that were asked for."""

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        return under(self.noun.name, _answer(self.noun.resource, False))


class ShownList(OfNoun):
    """The answer that lists them."""

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        plural = self.noun.core.plural
        item = _answer(self.noun.resource, False)
        return Record("", {plural: [item], f"{plural}_links": optional(LINKS)})


class Changed(OfNoun):
    """The answer of a create or an update."""

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        return under(self.noun.name, _answer(self.noun.resource, True))


class Created(Changed):
    """The answer of a create that may have made several."""

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        one = _answer(self.noun.resource, True)
        return OneOf(under(self.noun.name, one), under(self.noun.core.plural, [one]))


class Creation(OfNoun):
    """The request to create one, or several where the noun allows it. The handler gets the attributes of each, and
    whether they came as a list; it looks at them when the caller is known to have room for them."""

    def parse(self, raw: Any, version: Version) -> tuple[list[dict[str, Any]], bool]:
        """See `cumulet.http.bodies.Body`."""
        found, resource = shapes.parse(dict, raw, version), self.noun.resource
        return resource.many(found) if self.noun.bulk else ([resource.one(found)], False)

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        fields = {
            name: each.term if each.default is REQUIRED else optional(each.term)
            for name, each in self.noun.resource.attributes.items()
            if each.post
        }
        new = Record(f"New{_named(self.noun.name)}", {**_GIVEN_OWNER, **fields})
        one = under(self.noun.name, new)
        return OneOf(one, under(self.noun.core.plural, [OneOf(new, one)])) if self.noun.bulk else one


_GIVEN_OWNER = {name: optional(term) for name, term in _OWNER.items()}


class Change(OfNoun):
    """The request to change one. The handler gets the attributes, which are looked at when it is known to be there."""

    def parse(self, raw: Any, version: Version) -> dict[str, Any]:
        """See `cumulet.http.bodies.Body`."""
        return self.noun.resource.one(shapes.parse(dict, raw, version))

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        given = {name: optional(each.term) for name, each in self.noun.resource.attributes.items() if each.put}
        return under(self.noun.name, Record(f"ChangeOf{_named(self.noun.name)}", given))


class Given(OfNoun):
    """A request that only its handler looks at, as it is not about attributes of a noun."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def parse(self, raw: Any, version: Version) -> Any:
        """See `cumulet.http.bodies.Body`."""
        return shapes.parse(dict, raw, version)

    @property
    def record(self) -> Any:
        """See `OfNoun`."""
        return self._record


def _named(noun: str) -> str:
    return "".join(word.capitalize() for word in noun.split("_"))


class Filters(Query):
    """The query of a noun's list: pages, fields, and filters by attributes that can be compared."""

    def __init__(self, noun: Noun) -> None:
        super().__init__({})
        self.noun = noun

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `cumulet.http.bodies.Shape`."""
        known = [*_OWNER, *self.noun.resource.attributes, *self.noun.filters]
        filters = [name for name in known if name in self.noun.filters or self.noun.column(name) is not None]
        return Query({**{name: [str] for name in filters}, **_PAGE}).schema(version, named)


FIELDS = Query({"fields": [str]})
