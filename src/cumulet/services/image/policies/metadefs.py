"""Rules of metadata definitions: whoever sees a namespace reads it, and administrators write."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import ADMIN, ADMIN_OR_OWNER_READS

_READS = f"{ADMIN} or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))"
_WRITES = "rule:metadef_admin"

_WRITING = (
    "modify_metadef_namespace",
    "add_metadef_namespace",
    "delete_metadef_namespace",
    "modify_metadef_object",
    "add_metadef_object",
    "delete_metadef_object",
    "add_metadef_resource_type_association",
    "remove_metadef_resource_type_association",
    "modify_metadef_property",
    "add_metadef_property",
    "remove_metadef_property",
    "modify_metadef_tag",
    "add_metadef_tag",
    "add_metadef_tags",
    "delete_metadef_tag",
    "delete_metadef_tags",
)
_READING = (
    "get_metadef_namespace",
    "get_metadef_object",
    "get_metadef_objects",
    "list_metadef_resource_types",
    "get_metadef_resource_type",
    "get_metadef_property",
    "get_metadef_properties",
    "get_metadef_tag",
    "get_metadef_tags",
)


def _words(name: str) -> str:
    verb, _, rest = name.partition("_metadef_")
    return f"{verb.capitalize()} {rest.replace('_', ' ')} of metadata definitions"


RULES = [
    Rule("metadef_default", "", "Whoever has a token"),
    Rule("metadef_admin", ADMIN, "Who writes metadata definitions"),
    Rule("get_metadef_namespaces", ADMIN_OR_OWNER_READS, "List namespaces of metadata definitions"),
    *[Rule(name, _READS, _words(name)) for name in _READING],
    *[Rule(name, _WRITES, _words(name)) for name in _WRITING],
]
