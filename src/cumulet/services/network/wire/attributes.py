"""How attributes of resources are declared and requests checked, in Neutron's words. Knows no row and no caller.

A resource is a table of `Attribute`s. A request for it is a JSON object under the resource's name; what `accept`
answers has every attribute that may be posted, with its default when the client gave none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct, field

from cumulet.desired import texts
from cumulet.http import collections
from cumulet.http.bodies import OneOf
from cumulet.http.bodies import optional as maybe
from cumulet.http.repeats import repeated
from cumulet.services.network import faults

Convert = Callable[[Any], Any]
Conversion = TypeVar("Conversion", bound=Convert)
_TERMS: dict[Convert, Any] = {}


def typed(term: Any) -> Callable[[Conversion], Conversion]:
    """Say what the values of a conversion look like in answers: a term of `cumulet.http.bodies`."""

    def note(convert: Conversion) -> Conversion:
        _TERMS[convert] = term
        return convert

    return note


class Refused(Exception):
    """A value does not fit. The message is a reason without a full stop at its end."""


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()


class _Absent:
    def __repr__(self) -> str:
        return "not given"

    def __bool__(self) -> bool:
        return False


ABSENT: Any = _Absent()
"""Stands in the values of a create for an attribute that the client did not give and that has no default."""


class Attribute(Struct, frozen=True):
    """`post`, `put`: may be given on create, on update. `guarded`: has policy rules of its own
    (``create_port:mac_address``). `hidden`: its ``get_`` rule decides who sees it. `shown`: answers have it. `looks`:
    how it looks there, where its conversion does not say."""

    convert: Convert
    default: Any = ABSENT
    post: bool = True
    put: bool = True
    guarded: bool = False
    hidden: bool = False
    shown: bool = True
    looks: Any = None

    @property
    def term(self) -> Any:
        """How its values look."""
        return _TERMS[self.convert] if self.looks is None else self.looks


class Resource(Struct, frozen=True):
    """A noun of the API: its names on the wire and its attributes."""

    name: str
    plural: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def one(self, body: Any) -> dict[str, Any]:
        """The resource in a request's body. Raises 400."""
        if not isinstance(body, dict) or self.name not in body:
            raise faults.bad_request(f"Unable to find '{self.name}' in request body")
        if not isinstance(body[self.name], dict):
            raise faults.bad_request(f"Invalid input for attribute '{self.name}': it is not an object.")
        return dict(body[self.name])

    def many(self, body: Any) -> tuple[list[dict[str, Any]], bool]:
        """The resources in the body of a create, and whether they came as a list."""
        if isinstance(body, dict) and self.plural in body:
            items = body[self.plural]
            if not isinstance(items, list) or not items:
                raise faults.bad_request("Resources required")
            for item in items:
                if not isinstance(item, dict):
                    raise faults.bad_request(f"Unable to find '{self.name}' in request body")
            return [self.one(item if self.name in item else {self.name: item}) for item in items], True
        if not body:
            raise faults.bad_request("Resource body required")
        return [self.one(body)], False

    def accept(self, given: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
        """The values of a request, converted. Raises 400 for what is unknown, not allowed here or does not fit."""
        self._known(given, creating=creating)
        values: dict[str, Any] = {}
        for name, attribute in self.attributes.items():
            if name in given:
                try:
                    values[name] = attribute.convert(given[name])
                except Refused as refused:
                    raise faults.invalid(name, str(refused)) from None
            elif creating and attribute.post:
                if attribute.default is REQUIRED:
                    raise faults.bad_request(f"Failed to parse request. Required attribute '{name}' not specified")
                values[name] = attribute.default
        return values

    def _known(self, given: Mapping[str, Any], *, creating: bool) -> None:
        unknown = sorted(name for name in given if name not in self.attributes and name not in _PROJECT)
        if unknown:
            raise faults.bad_request(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        for name in given:
            attribute = self.attributes.get(name)
            if creating and attribute is not None and not attribute.post:
                raise faults.bad_request(f"Attribute '{name}' not allowed in POST")
            if not creating and (attribute is None or not attribute.put):
                raise faults.bad_request(f"Cannot update read-only attribute {name}")


_PROJECT = ("tenant_id", "project_id")


def text(limit: int = 255) -> Convert:
    """A string of at most `limit` characters that a database can hold. It never reaches a host."""

    @typed(str)
    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise Refused(f"'{value}' is not a valid string")
        if len(value) > limit:
            raise Refused(f"'{value}' exceeds maximum length of {limit}")
        if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise Refused("the string holds characters that cannot be stored")
        return value

    return convert


@typed(bool)
def boolean(value: Any) -> bool:
    """true/false in the spellings that Neutron takes."""
    found = collections.boolean(value) if isinstance(value, str) else None
    if found is not None:
        return found
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    raise Refused(f"'{value}' cannot be converted to boolean")


@typed(str)
def uuid(value: Any) -> str:
    if not collections.is_uuid(value):
        raise Refused(f"'{value}' is not a valid UUID")
    return str(value)


def optional(inner: Convert) -> Convert:
    """`inner`, or null."""
    return typed(OneOf(_TERMS[inner], None))(lambda value: None if value is None else inner(value))


def one_of(*values: str) -> Convert:
    @typed(str)
    def convert(value: Any) -> str:
        if value not in values:
            raise Refused(f"'{value}' is not in {list(values)}")
        return str(value)

    return convert


def integer(least: int | None = None, most: int | None = None) -> Convert:
    @typed(int)
    def convert(value: Any) -> int:
        try:
            found = texts.whole(int(value) if isinstance(value, float) and value.is_integer() else value)
        except ValueError:
            raise Refused(f"'{value}' is not an integer") from None
        if least is not None and found < least:
            raise Refused(f"'{found}' is too small - must be at least '{least}'")
        if most is not None and found > most:
            raise Refused(f"'{found}' is too large - must be no larger than '{most}'")
        return found

    return convert


@typed(str)
def ip_address(value: Any) -> str:
    """An address in its usual spelling."""
    try:
        return str(texts.address(value))
    except ValueError:
        raise Refused(f"'{value}' is not a valid IP address") from None


@typed(str)
def subnet(value: Any) -> str:
    """The network that an address with a prefix's length or mask lies in, as a CIDR."""
    try:
        return str(texts.interface(value).network)
    except ValueError:
        raise Refused(f"'{value}' is not a valid IP subnet") from None


@typed(str)
def destination(value: Any) -> str:
    """A CIDR that routes lead to: without bits of the host, and not of the machine itself."""
    try:
        found = texts.interface(value)
        if "/" not in value or found.ip != found.network.network_address:
            raise ValueError(value)
    except ValueError:
        raise Refused(f"'{value}' is not a valid CIDR") from None
    if found.is_loopback:
        raise Refused(f"'{value}' is not a routable CIDR")
    return str(found.network)


@typed(str)
def mac_address(value: Any) -> str:
    """A MAC address as lower case with colons; neither zero nor everybody's."""
    try:
        return texts.hardware(value)
    except ValueError:
        raise Refused(f"'{value}' is not a valid MAC address") from None


def items(inner: Convert, *, unique: bool = True) -> Convert:
    """A list of `inner`; null is an empty one."""

    @typed([_TERMS[inner]])
    def convert(value: Any) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise Refused(f"'{value}' is not a list")
        found = [inner(item) for item in value]
        if unique and repeated(found) is not None:
            raise Refused(f"Duplicate items in the list: '{', '.join(map(str, value))}'")
        return found

    return convert


@typed(dict)
def mapping(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"'{value}' is not a dictionary")
    return value


def keyed(value: Any, converts: Mapping[str, Convert], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object with some of the keys of `converts`."""
    if not isinstance(value, dict):
        raise Refused(f"'{value}' is not a dictionary")
    unknown = sorted(set(value) - set(converts))
    missing = [name for name in required if name not in value]
    if unknown or missing:
        raise Refused(
            f"Validation of dictionary's keys failed. Expected keys: {sorted(converts)} "
            f"Provided keys: {sorted(map(str, value))}"
        )
    return {name: converts[name](inner) for name, inner in value.items()}


@typed({"destination": str, "nexthop": str})
def route(value: Any) -> dict[str, Any]:
    """``{"destination": CIDR, "nexthop": address}``, both of one IP version."""
    found = keyed(value, {"destination": destination, "nexthop": ip_address}, ("destination", "nexthop"))
    if (":" in found["destination"]) != (":" in found["nexthop"]):
        raise Refused(f"'{found['destination']}' and '{found['nexthop']}' are of different IP versions")
    return found


MOST_ADDRESSES = 100


@typed([{"subnet_id": str, "ip_address": str}])
def fixed_ips(value: Any) -> list[dict[str, Any]]:
    """Addresses ``{"subnet_id", "ip_address"}``, as many as a port may have: each is looked up, told to a DHCP server
    and a rule of each filter. A subnet may stand in several; no address may. Other keys are ignored, as by Neutron."""
    found = items(_fixed_ip, unique=False)(value)
    given = [each["ip_address"] for each in found if "ip_address" in each]
    place = repeated(given)
    if place is not None:
        raise Refused(f"Duplicate IP address '{given[place]}'")
    if len(found) > MOST_ADDRESSES:
        raise Refused(f"Exceeded maximum amount of fixed ips per port ({MOST_ADDRESSES})")
    return list(found)


@typed({"subnet_id": maybe(str), "ip_address": maybe(str)})
def _fixed_ip(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"Invalid data format for fixed IP: '{value}'")
    known = {"subnet_id": uuid, "ip_address": ip_address}
    return {name: convert(value[name]) for name, convert in known.items() if name in value}


ID = Attribute(uuid, post=False, put=False)
NAME = Attribute(text(), "")
READ_ONLY = Attribute(text(), post=False, put=False)


def read_only(looks: Any) -> Attribute:
    """An attribute that only the service writes, with how it looks."""
    return Attribute(text(), post=False, put=False, looks=looks)
