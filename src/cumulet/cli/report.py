"""`cumulet up --json`: where things are, for programs. Passwords are in the files that it names."""

from __future__ import annotations

from typing import Any

from cumulet import __version__
from cumulet.cli import processes
from cumulet.config import Settings, standard_ports


def of(settings: Settings, *, was_up: bool) -> dict[str, Any]:
    """What runs where. `was_up`: this `up` found it running."""
    state = settings.state
    return {
        "version": __version__,
        "state": str(state),
        "was_up": was_up,
        "region": settings.region,
        "simulated": settings.simulated,
        "auth_url": settings.auth_url,
        "urls": {name: settings.url(name) for name in standard_ports()},
        "ports": {name: settings.ports.of(name) for name in standard_ports()},
        "pids": {row.name: row.pid for row in processes.rows(settings)},
        "clouds_yaml": str(state / "clouds.yaml"),
        "openrc": {user: str(state / f"{user}-openrc") for user in ("admin", "demo")},
        "operator_secret": str(settings.secrets_dir / "operator_secret"),
        "logs": str(settings.log_dir),
    }
