"""Policy on a row that the handler has: who may not even see it is told that it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.auth import Forbidden
from cumulet.http import Target
from cumulet.http.call import Call
from cumulet.http.faults import NotFound
from cumulet.services.image.model import images, metadef_namespaces
from cumulet.services.image.tables import NamespaceRow


def require(call: Call, rule: str, target: Mapping[str, Any], *, see: str = "get_image") -> None:
    """Raise 403 unless the caller passes `rule`, and 404 when it does not pass `see` either."""
    if call.allows(rule, target):
        return
    if rule == see or not call.allows(see, target):
        raise NotFound("The resource could not be found.")
    raise Forbidden(rule)


class Of(Target):
    """The image that the path names, as `require` judges it. `missing`: what is said when the caller sees none."""

    params = ("image_id",)

    def __init__(self, missing: str = "") -> None:
        self.missing = {"missing": missing} if missing else {}

    def reached(self, call: Call) -> images.Image:
        """See `Target`."""
        found = images.get(call.tx, call.caller, call.params["image_id"], **self.missing)
        require(call, call.operation.policy or "", found.target(call.caller))
        return found


class OfNamespace(Target):
    """The namespace of metadata definitions that the path names, in the same way."""

    params = ("namespace",)

    def reached(self, call: Call) -> NamespaceRow:
        """See `Target`."""
        row = metadef_namespaces.get(call.tx, call.caller, call.params["namespace"])
        require(call, call.operation.policy or "", metadef_namespaces.target(row), see="get_metadef_namespace")
        return row


IMAGE, NAMESPACE = Of(), OfNamespace()
