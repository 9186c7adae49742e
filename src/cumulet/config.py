"""Every option of Cumulet: one typed, frozen value that is read once and handed down.

`up` merges flags, the environment and what the state folder remembers, and writes the result to
``STATE/cumulet.toml``; the controller and the node read only that file, so all processes see the same
options. This module must never be kept as a global, and never holds a secret: secrets are files under
``STATE/secrets``.
"""

from __future__ import annotations

import dataclasses
import difflib
import errno
import ipaddress
import json
import os
import re
import socket
import stat
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

DEFAULT_STATE = Path("/var/lib/cumulet")
FILE_NAME = "cumulet.toml"
SECRETS = ("admin_password", "demo_password", "service_password", "operator_secret", "metadata_secret")
DATABASE_URL = "database_url"
_SECRET_BYTES = 4096
STANDARD_PORTS = {
    "identity": 5000,
    "identity_admin": 35357,
    "image": 9292,
    "compute": 8774,
    "placement": 8778,
    "network": 9696,
    "metadata": 8775,
    "console": 6080,
    "link": 7780,
}

NEVER_OUTSIDE = ("metadata", "link")
"""Services that listen on `LOOPBACK` whatever `listen` says: what passes there is not encrypted."""
LOOPBACK = "127.0.0.1"


class ConfigError(ValueError):
    """An option that cannot be used. The text names the option and says what is allowed."""


@dataclass(frozen=True)
class Ports:
    """TCP ports of the services: OpenStack's own, or `base`, `base`+1, … in the order of STANDARD_PORTS."""

    base: int | None = None

    def of(self, service: str) -> int:
        """The port of a service named as in STANDARD_PORTS."""
        if self.base is None:
            return STANDARD_PORTS[service]
        return self.base + list(STANDARD_PORTS).index(service)

    @property
    def identity(self) -> int:
        return self.of("identity")

    @property
    def identity_admin(self) -> int:
        return self.of("identity_admin")

    @property
    def image(self) -> int:
        return self.of("image")

    @property
    def compute(self) -> int:
        return self.of("compute")

    @property
    def placement(self) -> int:
        return self.of("placement")

    @property
    def network(self) -> int:
        return self.of("network")

    @property
    def metadata(self) -> int:
        return self.of("metadata")

    @property
    def console(self) -> int:
        return self.of("console")

    @property
    def link(self) -> int:
        return self.of("link")


@dataclass(frozen=True)
class Settings:
    """The options. Sizes and times say their unit in the name; None means "Cumulet decides"."""

    state: Annotated[Path, "folder of everything this cloud remembers"] = DEFAULT_STATE
    listen: Annotated[str, "address that the APIs listen on"] = "127.0.0.1"
    public_host: Annotated[str, "host name or address in the catalog's URLs (empty: from listen)"] = ""
    port_base: Annotated[int | None, "first of nine TCP ports, instead of OpenStack's own"] = None
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
    workers: Annotated[int, "API processes"] = 1
    cors_origins: Annotated[tuple[str, ...], "web origins whose scripts may call the APIs (* allows all)"] = ()
    token_seconds: Annotated[int, "how long a token is valid"] = 3600
    lockout_failure_attempts: Annotated[int, "wrong passwords in a row that lock a user out (0: never)"] = 0
    lockout_duration: Annotated[int, "seconds that a user is locked out"] = 1800
    password_expires_days: Annotated[int, "days after which a password has to be changed (0: never)"] = 0
    unique_last_password_count: Annotated[int, "a user's new password differs from that many of the last"] = 0
    minimum_password_age: Annotated[int, "days before users may change their passwords again"] = 0
    password_regex: Annotated[str, "what passwords have to match (empty: anything)"] = ""
    password_regex_description: Annotated[str, "the same in words, for who chose a bad one"] = ""
    change_password_upon_first_use: Annotated[bool, "a password that somebody else set is to be changed first"] = False
    disable_user_account_days_inactive: Annotated[int, "days without a login that disable a user (0: never)"] = 0
    limit_model: Annotated[str, "flat, or strict_two_level: no project's limit exceeds its domain's"] = "flat"
    create_seconds: Annotated[int, "a server that does not run by then is in ERROR"] = 600
    delete_seconds: Annotated[int, "a server that its host did not delete by then is gone for its owner"] = 300
    power_seconds: Annotated[int, "a server that did not start, stop or reboot by then is in ERROR"] = 300
    log_level: Annotated[str, "DEBUG, INFO, WARNING or ERROR"] = "INFO"
    log_max_mb: Annotated[int, "a log file is rotated when it is larger"] = 20

    # ---- what follows from them

    @property
    def ports(self) -> Ports:
        return Ports(self.port_base)

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

    def url(self, service: str) -> str:
        """``http://host:port`` of a service (named as in STANDARD_PORTS) as the catalog shows it."""
        return f"http://{self.endpoint_host}:{self.ports.of(service)}"

    def local_url(self, service: str) -> str:
        """``http://host:port`` of a service as a process of this machine reaches it."""
        host = LOOPBACK if service in NEVER_OUTSIDE else self.local_host
        return f"http://{host}:{self.ports.of(service)}"

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
            mode, text = _read_private(self.secrets_dir, DATABASE_URL)
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
    def log_dir(self) -> Path:
        return self.state / "log"

    def secret(self, name: str) -> str:
        """The secret of that name (see SECRETS). Raises ConfigError when `up` has not made it."""
        if name not in SECRETS:
            raise ConfigError(f"there is no secret named {name}")
        try:
            return _read_private(self.secrets_dir, name)[1]
        except OSError as error:
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
        values: dict[str, object] = dict(_read_file(state / FILE_NAME, must_exist=must_exist))
        for name, kind in _kinds().items():
            text = environ.get(f"CUMULET_{name.upper()}")
            if name != "state" and text is not None:
                values[name] = _from_text(name, kind, text)
        values |= {name: value for name, value in flags.items() if value is not None}
        values["state"] = state.absolute()
        settings = cls(**values)  # type: ignore[arg-type]
        _check(settings)
        return settings

    def to_toml(self) -> str:
        """The file's text: each option that has a value, under a comment that says what it is."""
        lines = ["# Options of this cloud. Change them while it is down, then run `cumulet up`.", ""]
        for name, doc in documentation().items():
            value = getattr(self, name)
            if name != "state":
                lines.append(f"# {doc}")
                lines.append(f"# {name} =" if value is None else f"{name} = {_to_toml(value)}")
        return "\n".join(lines) + "\n"

    def save(self) -> None:
        """Write ``cumulet.toml`` (0644: it holds no secret) in one step, so that a reader never sees
        half of it.
        """
        draft = self.file.with_name(f".{FILE_NAME}.{os.getpid()}")
        draft.write_text(self.to_toml(), encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(self.file)


def documentation() -> dict[str, str]:
    """Each option's name and what it is."""
    hints = typing.get_type_hints(Settings, include_extras=True)
    return {item.name: hints[item.name].__metadata__[0] for item in dataclasses.fields(Settings)}


def machine_address() -> str:
    """The IPv4 address that this machine's default route uses; 127.0.0.1 when it has none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _kinds() -> dict[str, object]:
    return typing.get_type_hints(Settings)


def _read_private(folder: Path, name: str) -> tuple[int, str]:
    """Mode and text of a file in a folder of the controller's user.

    Root reads here too, and hands what it reads to the controller: it must be a file of the folder's owner, and no link
    to one that only root may read. Raises OSError, UnicodeDecodeError.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=handle), encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            owners = (0, os.fstat(handle).st_uid)
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in owners or found.st_nlink != 1:
                raise PermissionError(errno.EPERM, f"it is not a file of the owner of {folder}")
            return found.st_mode, file.read(_SECRET_BYTES).strip()
    finally:
        os.close(handle)


def _read_file(path: Path, *, must_exist: bool) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{path.parent} holds no cloud (no {path.name}); `cumulet up` makes one") from None
        return {}
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    kinds = _kinds()
    for name, value in found.items():
        if name not in kinds or name == "state":
            near = difflib.get_close_matches(name, kinds, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{path}: there is no option {name}{hint}")
        found[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(found[name], kinds[name]):
            raise ConfigError(f"{path}: {name} has a value of the wrong type: {value!r}")
    return found


def _fits(value: object, kind: object) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    if kind == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(kind, type) and isinstance(value, kind)


def _from_text(name: str, kind: object, text: str) -> object:
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    parts = typing.get_args(kind) or (kind,)
    if type(None) in parts and not text:
        return None
    if kind is bool:
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.strip().lower() not in known:
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return known[text.strip().lower()]
    if int in parts:
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{name} must be a whole number, not {text!r}") from None
    return text


def _to_toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_to_toml(part) for part in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=True)


def _check(settings: Settings) -> None:
    """Refuse values that would only fail later, and less clearly."""
    _check_address("listen", settings.listen)
    if settings.tunnel_ip:
        _check_address("tunnel_ip", settings.tunnel_ip)
    for server in settings.dns_servers:
        _check_address("dns_servers", server)
    for origin in settings.cors_origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s,]+", origin):
            raise ConfigError(f"cors_origins holds origins such as https://horizon.example.com, not {origin!r}")
    last = 65536 - len(STANDARD_PORTS)
    if settings.port_base is not None and not 1024 <= settings.port_base <= last:
        raise ConfigError(f"port_base must be between 1024 and {last}, not {settings.port_base}")
    _check_range("simulated", settings.simulated, 1, 100_000)
    _check_range("workers", settings.workers, 1, 64)
    _check_range("token_seconds", settings.token_seconds, 60, 86_400 * 30)
    for name in ("create_seconds", "delete_seconds", "power_seconds"):
        _check_range(name, getattr(settings, name), 1, 86_400)
    _check_range("log_max_mb", settings.log_max_mb, 1, 10_000)
    if settings.virt_type not in ("auto", "kvm", "qemu"):
        raise ConfigError(f"virt_type must be auto, kvm or qemu, not {settings.virt_type!r}")
    days = ("password_expires_days", "minimum_password_age", "disable_user_account_days_inactive")
    for name in ("lockout_failure_attempts", *days):
        _check_range(name, getattr(settings, name), 0, 10_000)
    _check_range("unique_last_password_count", settings.unique_last_password_count, 0, 24)
    _check_range("lockout_duration", settings.lockout_duration, 1, 86_400 * 365)
    if settings.password_regex:
        from cumulet import patterns  # imported here: the command line has no other need of RE2

        try:
            patterns.form(settings.password_regex)
        except patterns.Refused as error:
            raise ConfigError(f"password_regex is no regular expression that can be used: {error}") from None
    if settings.limit_model not in ("flat", "strict_two_level"):
        raise ConfigError(f"limit_model must be flat or strict_two_level, not {settings.limit_model!r}")
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"log_level must be DEBUG, INFO, WARNING or ERROR, not {settings.log_level!r}")
    try:
        provider = ipaddress.IPv4Network(settings.provider_cidr)
    except ValueError as error:
        raise ConfigError(f"provider_cidr must be an IPv4 network such as 172.24.4.0/24: {error}") from None
    if not 16 <= provider.prefixlen <= 28:
        raise ConfigError(f"provider_cidr must have a prefix between /16 and /28, not /{provider.prefixlen}")


def check_database_url(text: str) -> None:
    """Refuse what is no URL of PostgreSQL. The error never shows it: it may hold a password."""
    if not re.fullmatch(r"postgres(ql)?://\S+", text):
        raise ConfigError(f"the secret {DATABASE_URL} must be like postgresql://user:password@host/database")


def _check_address(name: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ConfigError(f"{name} must be an IP address, not {text!r}") from None


def _check_range(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise ConfigError(f"{name} must be between {low} and {high}, not {value}")
