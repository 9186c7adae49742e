"""The options: one typed, frozen value that is read once and handed down.

`up` merges flags, the environment and what the state folder remembers, and writes the result to
``STATE/cumulet.toml``; the controller and the node read only that file, so all processes see the same
options. This module must never be kept as a global, and never holds a secret: secrets are files under
``STATE/secrets``.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cumulet import files
from cumulet.config import public, sections
from cumulet.config.checks import check
from cumulet.config.errors import ConfigError
from cumulet.config.ports import LOOPBACK, Ports, stays_inside
from cumulet.config.reading import from_text, read_file, to_toml
from cumulet.config.secret_files import DATABASE_URL, OF_SIMULATED, SECRETS, check_database_url, read_private
from cumulet.introduction import introduced, introductions

T = TypeVar("T")

DEFAULT_STATE = Path("/var/lib/cumulet")
FILE_NAME = "cumulet.toml"
SIMULATION_FILE = "simulated.json"
"""In the state folder: how simulated hosts are when the node starts. The operator's; it may come before `up`."""


@dataclass(frozen=True)
class Settings:
    """The options. Sizes and times say their unit in the name; None means "Cumulet decides". Those of a service are in
    `services`, by its type: `own` gives them."""

    state: Annotated[Path, "folder of everything this cloud remembers"] = DEFAULT_STATE
    listen: Annotated[str, "address that the APIs listen on"] = "127.0.0.1"
    tls: Annotated[str, "whether the APIs speak TLS: always, never, or auto (when they listen beyond loopback)"] = (
        "auto"
    )
    tls_certificate: Annotated[str, "PEM file of the APIs' certificate and its chain (empty: the cloud's own)"] = ""
    tls_key: Annotated[str, "PEM file of its key (empty: it is in the same file)"] = ""
    tls_ca: Annotated[str, "PEM file of who signed it, for clients whose system does not know (empty: it does)"] = ""
    public_host: Annotated[str, "host name or address in the catalog's URLs (empty: from listen)"] = ""
    public_url: Annotated[tuple[str, ...], "URLs in the catalog behind a proxy: one for all, or service=URL"] = ()
    trusted_proxies: Annotated[tuple[str, ...], "proxies whose X-Forwarded- headers count, as addresses or CIDRs"] = ()
    port_base: Annotated[int | None, "first of nine TCP ports, instead of OpenStack's own"] = None
    one_port: Annotated[bool, "all APIs on the first port, below /identity, /compute and so on"] = False
    region: Annotated[str, "region name in the catalog"] = "RegionOne"
    simulated: Annotated[int | None, "number of simulated hosts, instead of a real hypervisor"] = None
    simulated_seed: Annotated[int, "seed of the simulated hosts' delays and failures"] = 0
    provider_cidr: Annotated[str, "addresses of the external network `provider`"] = "172.24.4.0/24"
    provider_interface: Annotated[str | None, "network card of the external network's bridge"] = None
    first_image: Annotated[str, "file or URL of the first user's image (empty: one is built)"] = ""
    tunnel_ip: Annotated[str, "this machine's address for VXLAN (empty: the one of the default route)"] = ""
    dns_servers: Annotated[tuple[str, ...], "name servers handed to guests (empty: this machine's)"] = ()
    hostname: Annotated[str, "name of this machine's hypervisor (empty: the machine's host name)"] = ""
    virt_type: Annotated[str, "auto, kvm or qemu; auto boots a probe under kvm once"] = "auto"
    cors_origins: Annotated[tuple[str, ...], "web origins whose scripts may call the APIs (* allows all)"] = ()
    strange_seconds: Annotated[int, "after that long a node asks whether what nobody told it to have may go"] = 3600
    keep_deleted_days: Annotated[int, "days that rows of what is deleted are kept (0: for ever)"] = 90
    audit_days: Annotated[int, "days that the audit log is kept (0: there is none)"] = 365
    on_problem: Annotated[
        str, "command that is run when the problems of status change (a whole path; JSON on stdin)"
    ] = ""
    log_level: Annotated[str, "DEBUG, INFO, WARNING or ERROR"] = "INFO"
    log_format: Annotated[str, "text, or json: a line of JSON each"] = "text"
    log_to: Annotated[str, "file, syslog or journal: where the controller and the node log to"] = "file"
    log_days: Annotated[int, "days that rotated log files are kept"] = 30
    log_keep_mb: Annotated[int, "rotated files of one process are kept up to that size together"] = 200
    log_max_mb: Annotated[int, "a log file is rotated when it is larger"] = 20

    services: Mapping[str, Any] = field(default_factory=lambda: sections.made({}), hash=False)

    # ---- what follows from them

    def own(self, kind: type[T]) -> T:
        """The options of the service that declares them as `kind`. Raises LookupError."""
        for options in self.services.values():
            if isinstance(options, kind):
                return options
        raise LookupError(kind)

    def values(self) -> dict[str, object]:
        """Option → value, of all, those of services included."""
        owner_of = sections.owner_of()
        return {
            name: getattr(self.services[owner_of[name]] if name in owner_of else self, name) for name in documentation()
        }

    def differs(self, other: Settings) -> list[str]:
        """Names of the options that have another value in `other`."""
        theirs = other.values()
        return [name for name, value in self.values().items() if value != theirs[name]]

    @property
    def ports(self) -> Ports:
        return Ports(self.port_base, self.one_port)

    @property
    def endpoint_host(self) -> str:
        """The host part of the catalog's URLs, with brackets around an IPv6 address."""
        host = self.public_host or self.listen
        if host in ("0.0.0.0", "::"):
            host = machine_address()
        return f"[{host}]" if ":" in host else host

    @property
    def local_host(self) -> str:
        """The host part of a URL that reaches the APIs from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen, self.listen)
        return f"[{host}]" if ":" in host else host

    @property
    def public_urls(self) -> dict[str, str]:
        """Service → URL without a slash at its end, of those that clients come to through a proxy."""
        return public.urls(self.public_url)

    @property
    def encrypted(self) -> bool:
        """Whether the APIs and the console speak TLS."""
        return self.tls == "always" or (self.tls == "auto" and not ipaddress.ip_address(self.listen).is_loopback)

    def scheme(self, service: str) -> str:
        """``http`` or ``https``. What never leaves the machine is not encrypted."""
        return "https" if self.encrypted and not stays_inside(service) else "http"

    def prefix(self, service: str) -> str:
        """The path below which a service is on its port; empty when the port is its own."""
        return introduced(service).prefix if self.one_port else ""

    def url(self, service: str) -> str:
        """``http://host:port`` of a service (named as in `standard_ports`) as the catalog shows it, with a path where
        several share the port; or its public URL."""
        if (found := self.public_urls.get(introduced(service).type)) is not None:
            return found
        return f"{self.scheme(service)}://{self.endpoint_host}:{self.ports.of(service)}{self.prefix(service)}"

    def local_url(self, service: str) -> str:
        """``http://host:port`` of a service, with its path if it has one, as a process of this machine reaches it."""
        host = LOOPBACK if stays_inside(service) else self.local_host
        return f"{self.scheme(service)}://{host}:{self.ports.of(service)}{self.prefix(service)}"

    @property
    def auth_url(self) -> str:
        """Where clients get tokens, with the version."""
        giver = next(each for each in introductions() if each.gives_tokens)
        return self.url(giver.type) + giver.version_path

    @property
    def node_name(self) -> str:
        return self.hostname or socket.gethostname()

    @property
    def node_tunnel_ip(self) -> str:
        return self.tunnel_ip or machine_address()

    @property
    def file(self) -> Path:
        return self.state / FILE_NAME

    @property
    def secrets_dir(self) -> Path:
        """0700, the controller's; the identity service keeps its token keys below it."""
        return self.state / "secrets"

    @property
    def database(self) -> Path | str:
        """The URL in ``STATE/secrets/database_url``: PostgreSQL. Without that file, the file of the embedded SQLite.

        It is a secret, not an option, because it holds a password: written by the operator (or by `up` from the
        environment), 0600, never logged. Raises ConfigError for a file that others may read, or that is not a URL.
        """
        file = self.secrets_dir / DATABASE_URL
        try:
            mode, text = read_private(self.secrets_dir, DATABASE_URL)
        except FileNotFoundError:
            return self.state / "db" / "cumulet.sqlite"
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {file}: {type(error).__name__}") from None
        if mode & 0o077:
            raise ConfigError(f"{file} holds a password and may be read by others: chmod 600 it")
        check_database_url(text)
        return text

    @property
    def images_dir(self) -> Path:
        """The image service's data, written by the controller only."""
        return self.state / "images"

    @property
    def node_dir(self) -> Path:
        """The node's journal, image cache and guests' disks, written by the node only."""
        return self.state / "node"

    @property
    def cache_dir(self) -> Path:
        """Things that can be made again, such as the tiny image."""
        return self.state / "cache"

    @property
    def run_dir(self) -> Path:
        return self.state / "run"

    @property
    def audit_dir(self) -> Path:
        """The audit log, a file a day, written by the controller only."""
        return self.state / "audit"

    @property
    def log_dir(self) -> Path:
        return self.state / "log"

    def secret(self, name: str) -> str:
        """The secret of that name (see SECRETS and OF_SIMULATED). Raises ConfigError when `up` has not made it."""
        if name not in (*SECRETS, *OF_SIMULATED):
            raise ConfigError(f"there is no secret named {name}")
        try:
            return read_private(self.secrets_dir, name)[1]
        except OSError as error:
            if error.errno == errno.EACCES:
                text = f"{self.secrets_dir} is not yours to read; run this as the user who started the cloud"
                raise ConfigError(text) from error
            raise ConfigError(f"cannot read the secret {name}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"cannot read the secret {name}: it is not text") from None

    # ---- reading and writing

    @classmethod
    def load(cls, state: Path) -> Settings:
        """The options of an existing cloud. Raises ConfigError when the file is missing or wrong."""
        return cls.resolve(state, {}, {}, must_exist=True)

    @classmethod
    def resolve(
        cls,
        state: Path,
        flags: Mapping[str, object],
        environ: Mapping[str, str],
        *,
        must_exist: bool = False,
    ) -> Settings:
        """Merge defaults < ``cumulet.toml`` < ``CUMULET_<OPTION>`` < `flags` (None: not given) and
        check them.
        """
        kinds, owner_of = {**_kinds(), **sections.kinds()}, sections.owner_of()
        values = read_file(state / FILE_NAME, kinds, owner_of, must_exist=must_exist)
        for name, kind in kinds.items():
            text = environ.get(f"CUMULET_{name.upper()}")
            if name != "state" and text is not None:
                values[name] = from_text(name, kind, text)
        values |= {name: value for name, value in flags.items() if value is not None}
        values["state"] = state.absolute()
        common = {name: value for name, value in values.items() if name not in owner_of}
        settings = cls(services=sections.made(values), **common)  # type: ignore[arg-type]
        check(settings)
        return settings

    def to_toml(self) -> str:
        """The file's text: each option that has a value, under a comment that says what it is."""
        lines = ["# Options of this cloud. Change them while it is down, then run `cumulet up`.", ""]
        owner_of, section = sections.owner_of(), None
        docs = documentation()
        for name, value in self.values().items():
            if (owner := owner_of.get(name)) != section:
                section = owner
                lines += ["", f"[{section}]"]
            if name != "state":
                lines.append(f"# {docs[name]}")
                lines.append(f"# {name} =" if value is None else f"{name} = {to_toml(value)}")
        return "\n".join(lines) + "\n"

    def save(self) -> None:
        """Write ``cumulet.toml`` (0644: it holds no secret) in one step, so that a reader never sees
        half of it.
        """
        files.put_unless_so(self.file, self.to_toml(), mode=0o644)


def names() -> list[str]:
    """Each option's name."""
    return [*_kinds(), *sections.owner_of()]


def documentation() -> dict[str, str]:
    """Each option's name and what it is."""
    hints = typing.get_type_hints(Settings, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in _kinds()} | sections.documentation()


def machine_address() -> str:
    """The IPv4 address that this machine's default route uses; 127.0.0.1 when it has none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@functools.cache
def _kinds() -> Mapping[str, object]:
    """Option → its type, of those that are no service's."""
    return {name: kind for name, kind in typing.get_type_hints(Settings).items() if name != "services"}
