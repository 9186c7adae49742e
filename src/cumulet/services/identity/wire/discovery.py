"""Shapes of discovery."""

from __future__ import annotations

from cumulet.http.bodies import OneOf, Record, optional

VERSION = Record(
    "ApiVersion",
    {
        "id": str,
        "status": str,
        "updated": str,
        "links": [{"rel": str, "href": str}],
        "media-types": [{"base": str, "type": str}],
    },
)
_RESOURCE = Record(
    "JsonHomeResource",
    {
        "href": optional(str),
        "href-template": optional(str),
        "href-vars": optional({str: str}),
        "hints": optional({"status": str}),
    },
)
_HOME = Record("JsonHome", {"resources": {str: _RESOURCE}})
VERSIONS_OR_HOME = OneOf(Record("", {"versions": {"values": [VERSION]}}), _HOME)
VERSION_OR_HOME = OneOf(Record("", {"version": VERSION}), _HOME)
