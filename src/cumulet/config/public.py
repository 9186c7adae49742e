"""Where the services are for clients who come through a proxy: ``public_url``, and which proxies are believed.

One URL stands for a host that has all services, each below the path that clients of OpenStack know from DevStack;
``service=URL`` gives the place of one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from cumulet.config.errors import ConfigError
from cumulet.introduction import introductions

LONGEST = 180
"""Letters of a URL: the catalog's have a version after it."""
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?((?:/[A-Za-z0-9._~-]+)*)/?")


def paths() -> dict[str, str]:
    """The services that have a public place, and where it is on a host that has them all."""
    return {each.type: each.public_prefix or each.prefix for each in introductions() if each.prefix}


def urls(entries: tuple[str, ...]) -> dict[str, str]:
    """Service → URL without a slash at its end, of those that have one. Raises ConfigError."""
    return _urls(entries, tuple(paths().items())) if entries else {}


@lru_cache(maxsize=8)
def _urls(entries: tuple[str, ...], places: tuple[tuple[str, str], ...]) -> dict[str, str]:
    known = dict(places)
    found: dict[str, str] = {}
    whole = ""
    for entry in entries:
        name, given, url = entry.partition("=")
        if not given:
            if whole:
                raise ConfigError(f"public_url names two hosts for all services: {whole} and {entry}")
            whole = _checked(entry)
        elif name not in known:
            raise ConfigError(f"public_url: there is no service {name}; there are {', '.join(known)}")
        elif name in found:
            raise ConfigError(f"public_url names {name} twice")
        else:
            found[name] = _checked(url)
    return ({name: whole + path for name, path in known.items()} if whole else {}) | found


def _checked(text: str) -> str:
    match = _URL.fullmatch(text)
    steps = match[4].split("/") if match else []
    if match is None or len(text) > LONGEST or any(step in (".", "..") for step in steps):
        raise ConfigError(
            f"public_url holds URLs such as https://cloud.example.org or compute=https://cloud.example.org/compute, "
            f"not {text!r}"
        )
    host, port = match[2], match[3]
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ConfigError(f"public_url: {host} is no address") from None
    if port is not None and not 0 < int(port) < 65536:
        raise ConfigError(f"public_url: there is no port {port}")
    return text.rstrip("/")


def check_proxies(entries: Sequence[str]) -> None:
    """Refuse what is no address and no network, and what is everybody. Raises ConfigError."""
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry)
        except ValueError as error:
            raise ConfigError(f"trusted_proxies holds addresses and networks such as 10.0.0.0/28: {error}") from None
        if network.prefixlen == 0:
            raise ConfigError(f"trusted_proxies: {entry} is everybody; who asks could choose the own address")
