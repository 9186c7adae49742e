"""Every option of Cumulet, once, typed: what it is in `settings`, what it may be in `checks`."""

from cumulet.config.errors import ConfigError
from cumulet.config.ports import LOOPBACK, NEVER_OUTSIDE, STANDARD_PORTS, Ports
from cumulet.config.secret_files import (
    DATABASE_URL,
    METADATA_BEFORE,
    OF_SIMULATED,
    SECRETS,
    check_database_url,
    metadata_secrets,
    read_private,
)
from cumulet.config.settings import (
    DEFAULT_STATE,
    FILE_NAME,
    SIMULATION_FILE,
    Settings,
    documentation,
    machine_address,
    names,
)

__all__ = [
    "DATABASE_URL",
    "DEFAULT_STATE",
    "FILE_NAME",
    "LOOPBACK",
    "METADATA_BEFORE",
    "NEVER_OUTSIDE",
    "OF_SIMULATED",
    "SECRETS",
    "SIMULATION_FILE",
    "STANDARD_PORTS",
    "ConfigError",
    "Ports",
    "Settings",
    "check_database_url",
    "documentation",
    "machine_address",
    "metadata_secrets",
    "names",
    "read_private",
]
