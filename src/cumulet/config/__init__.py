"""Every option of Cumulet, once, typed: what it is in `settings`, what it may be in `checks`."""

from cumulet.config.errors import ConfigError
from cumulet.config.ports import LOOPBACK, Ports, stays_inside
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
from cumulet.introduction import standard_ports

__all__ = [
    "DATABASE_URL",
    "DEFAULT_STATE",
    "FILE_NAME",
    "LOOPBACK",
    "METADATA_BEFORE",
    "OF_SIMULATED",
    "SECRETS",
    "SIMULATION_FILE",
    "ConfigError",
    "Ports",
    "Settings",
    "check_database_url",
    "documentation",
    "machine_address",
    "metadata_secrets",
    "names",
    "read_private",
    "standard_ports",
    "stays_inside",
]
