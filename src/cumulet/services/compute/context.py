"""What a process hands to compute, its metadata service and its console, and who asks them.

Must never hold state of a request but for `Actor`, which is one's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from cumulet.auth import Caller
from cumulet.engine import Engine
from cumulet.engine.verbs import Verb


@dataclass
class Deadlines:
    """How long each piece of long work may take, in seconds."""

    create_s: float = 600.0
    delete_s: float = 300.0
    power_s: float = 300.0
    console_log_s: float = 10.0

    def of(self, verb: Verb) -> float:
        """How long a verb may take."""
        return float(getattr(self, f"{verb.deadline}_s"))


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
