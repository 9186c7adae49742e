"""Refuses values of options that would only fail later, and less clearly."""

from __future__ import annotations

import ipaddress
import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from cumulet.config import public, sections
from cumulet.config.errors import ConfigError
from cumulet.introduction import standard_ports

if TYPE_CHECKING:
    from cumulet.config.settings import Settings


def check(settings: Settings) -> None:
    """Raises ConfigError for the first value that cannot be used."""
    _check_address("listen", settings.listen)
    _check_tls(settings)
    if settings.tunnel_ip:
        _check_address("tunnel_ip", settings.tunnel_ip)
    for server in settings.dns_servers:
        _check_address("dns_servers", server)
    for origin in settings.cors_origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s,]+", origin):
            raise ConfigError(f"cors_origins holds origins such as https://horizon.example.com, not {origin!r}")
    public.urls(settings.public_url)
    public.check_proxies(settings.trusted_proxies)
    last = 65536 - len(standard_ports())
    if settings.port_base is not None and not 1024 <= settings.port_base <= last:
        raise ConfigError(f"port_base must be between 1024 and {last}, not {settings.port_base}")
    _check_range("simulated", settings.simulated, 1, 100_000)
    sections.check(settings.services, simulated=settings.simulated is not None)
    _check_range("strange_seconds", settings.strange_seconds, 1, 86_400 * 365)
    _check_range("keep_deleted_days", settings.keep_deleted_days, 0, 36_500)
    _check_range("audit_days", settings.audit_days, 0, 36_500)
    _check_logs(settings)
    if settings.virt_type not in ("auto", "kvm", "qemu"):
        raise ConfigError(f"virt_type must be auto, kvm or qemu, not {settings.virt_type!r}")
    _check_command("on_problem", settings.on_problem)
    try:
        provider = ipaddress.IPv4Network(settings.provider_cidr)
    except ValueError as error:
        raise ConfigError(f"provider_cidr must be an IPv4 network such as 172.24.4.0/24: {error}") from None
    if not 16 <= provider.prefixlen <= 28:
        raise ConfigError(f"provider_cidr must have a prefix between /16 and /28, not /{provider.prefixlen}")


def _check_logs(settings: Settings) -> None:
    _check_range("log_max_mb", settings.log_max_mb, 1, 10_000)
    _check_range("log_keep_mb", settings.log_keep_mb, 1, 1_000_000)
    _check_range("log_days", settings.log_days, 1, 36_500)
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"log_level must be DEBUG, INFO, WARNING or ERROR, not {settings.log_level!r}")
    if settings.log_format not in ("text", "json"):
        raise ConfigError(f"log_format must be text or json, not {settings.log_format!r}")
    if settings.log_to not in ("file", "syslog", "journal"):
        raise ConfigError(f"log_to must be file, syslog or journal, not {settings.log_to!r}")


def _check_command(name: str, text: str) -> None:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{name} is no command: {error}") from None
    if words and not PurePath(words[0]).is_absolute():
        raise ConfigError(f"{name} must begin with the whole path of a program, not {words[0]!r}")


def _check_tls(settings: Settings) -> None:
    if settings.tls not in ("auto", "always", "never"):
        raise ConfigError(f"tls must be auto, always or never, not {settings.tls!r}")
    for name in ("tls_certificate", "tls_key", "tls_ca"):
        text = getattr(settings, name)
        if text and not PurePath(text).is_absolute():
            raise ConfigError(f"{name} must be the whole path of a file, not {text!r}")
    if not settings.tls_certificate and (settings.tls_key or settings.tls_ca):
        raise ConfigError("tls_key and tls_ca belong to tls_certificate, which is not set")


def _check_address(name: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        hint = "; give an address, such as 127.0.0.1" if name == "listen" else ""
        raise ConfigError(f"{name} must be an IP address, not {text!r}{hint}") from None


def _check_range(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise ConfigError(f"{name} must be between {low} and {high}, not {value}")
