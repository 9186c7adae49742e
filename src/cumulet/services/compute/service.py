"""The compute service: its range of microversions and the words of its errors.

Knows the URL forms that clients use (``/v2.1/servers``, ``/v2.1/<project>/servers``, ``/v2/servers``); one
declaration under ``/v2.1`` serves them all. Must never hold state of a request.
"""

from __future__ import annotations

import re
from typing import Any

from cumulet.http import Microversions, Operation, Service
from cumulet.http.faults import BadRequest, Fault, nova_body
from cumulet.http.shapes import Invalid
from cumulet.http.versions import Version
from cumulet.services.compute import INTRODUCTION
from cumulet.services.compute.policies import RULES

MICROVERSIONS = Microversions("compute", (2, 1), (2, 96), "X-OpenStack-Nova-API-Version")

_IN_PROJECT = re.compile(r"^/v2(?:\.1)?(?:/(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?(?=/|\Z)")


class ComputeService(Service):
    """A `Service` that takes every URL form of Nova's."""

    def match(self, method: str, path: str, version: Version) -> tuple[Operation, dict[str, str]] | set[str]:
        """As `Service.match`, after bringing the path into the one form that operations are declared under."""
        return super().match(method, _IN_PROJECT.sub("/v2.1", path) if path.startswith("/v2") else path, version)


def _invalidity(invalid: Invalid) -> Fault:
    if not invalid.path:
        return BadRequest(invalid.problem)
    name = invalid.path.rsplit(".", 1)[-1]
    return BadRequest(f"Invalid input for field/attribute {name}. Value: {_shown(invalid.value)}. {invalid.problem}")


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 1000 else text[:1000] + "..."


service = ComputeService(
    "compute",
    faults=nova_body,
    microversions=MICROVERSIONS,
    invalidity=_invalidity,
    scope_types=("project",),
    request_id_header=INTRODUCTION.request_id_header,
    rule_prefix="os_compute_api",
)
service.add_rules(RULES)
