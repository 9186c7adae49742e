"""The compute service: its range of microversions, the words of its errors, and what the process hands to it.

Knows the URL forms that clients use (``/v2.1/servers``, ``/v2.1/<project>/servers``, ``/v2/servers``); one
declaration under ``/v2.1`` serves them all. Must never hold state of a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from cumulet.auth import Caller
from cumulet.engine import Engine
from cumulet.http import Microversions, Operation, Service
from cumulet.http.faults import BadRequest, Fault, nova_body
from cumulet.http.shapes import Invalid
from cumulet.http.versions import Version
from cumulet.services.compute.policies import RULES

REQUEST_ID_HEADER = "x-compute-request-id"
MICROVERSIONS = Microversions("compute", (2, 1), (2, 96), "X-OpenStack-Nova-API-Version")

_IN_PROJECT = re.compile(r"^/v2(?:\.1)?(?:/(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?(?=/|\Z)")


@dataclass
class Deadlines:
    """How long each piece of long work may take, in seconds."""

    create_s: float = 600.0
    delete_s: float = 300.0
    power_s: float = 300.0
    console_log_s: float = 10.0


@dataclass
class ComputeContext:
    """What the process assembly hands to compute, its metadata service and its console.

    `metadata_secrets` gives those that are shared with metadata proxies that sign, as Neutron's does.
    `console_base_url` is the console's address as browsers reach it, without a slash at the end. `novnc` is the folder
    of noVNC's files, `screens` that of the sockets of this machine's guests. `simulated`: no host is real.
    """

    engine: Engine
    metadata_secrets: Callable[[], Sequence[str]]
    console_base_url: str = "http://127.0.0.1:6080"
    novnc: Path = Path("/usr/share/novnc")
    screens: Path = Path("/nonexistent")
    availability_zone: str = "nova"
    controller_host: str = "controller"
    region: str = "RegionOne"
    dhcp_domain: str = "novalocal"
    console_token_s: float = 600.0
    deadlines: Deadlines = field(default_factory=Deadlines)
    simulated: bool = False


class Actor(Struct, frozen=True):
    """Who asks, for the rooms below the API: `sees_all` passes the admin's rules."""

    caller: Caller
    context: ComputeContext
    request_id: str
    sees_all: bool

    @property
    def project_id(self) -> str:
        """The project that the token is for."""
        return self.caller.project_id or ""

    @property
    def user_id(self) -> str:
        """The user who holds the token."""
        return self.caller.user_id


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
    request_id_header=REQUEST_ID_HEADER,
    rule_prefix="os_compute_api",
)
service.add_rules(RULES)


def load() -> Service:
    """The service with its operations."""
    from cumulet.services.compute import api

    api.load()
    return service
