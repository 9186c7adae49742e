"""Whether the cloud's ports are free, and if not, who has them."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from cumulet.cli.errors import CliError
from cumulet.config import Settings, standard_ports

_LISTENS = "0A"
_LOWEST = 10_000
"""The first port that is chosen for a cloud: those below are others' by custom."""


def ports_free(settings: Settings) -> None:
    """Raise CliError when something else listens on a port that we are about to use, or no card has our address."""
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    for service, port in settings.ports.listeners().items():
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.listen, port))
            except OSError as error:
                raise CliError(_why(settings.listen, port, service, error)) from error


def hold(held: ExitStack, address: str, preferred: int | None = None) -> int:
    """The first of as many free ports in a row as a cloud needs, `preferred` if it can be had; nobody else is given
    them as long as `held` is open.

    They are below those that the kernel gives to outgoing connections. Between clouds that start together a name in the
    kernel decides; against others the ports are bound, in the way that lets our own controller listen on them. Raises
    CliError when there are none.
    """
    count = len(standard_ports())
    lowest, end = _LOWEST, _first_ephemeral()
    if end - lowest < 100 * count:  # a machine that gives nearly all to outgoing connections
        lowest, end = 1024, 65_536
    slots = (end - lowest) // count
    start = secrets.randbelow(slots)
    bases = [lowest + (start + number) % slots * count for number in range(slots)]
    for base in [*([preferred] if preferred is not None else []), *bases]:
        with ExitStack() as tried, suppress(OSError):
            for port in range(base, base + count):
                name = tried.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                name.bind(f"\0cumulet-port-{port}")
                _bind(tried, address, port)
            held.push(tried.pop_all())
            return base
    raise CliError(f"{count} free ports in a row are not to be had between {lowest} and {end}")


def _bind(tried: ExitStack, address: str, port: int) -> None:
    """Raise OSError when anybody has the port; else nobody gets it who does not share it on purpose."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as alone:
        alone.bind((address, port))
    shared = tried.enter_context(socket.socket(family, socket.SOCK_STREAM))
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.bind((address, port))


def _first_ephemeral() -> int:
    rows = _rows("/proc/sys/net/ipv4/ip_local_port_range")
    return int(rows[0][0]) if rows else 32_768


def _why(address: str, port: int, service: str, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"no network card here has {address}; this machine's addresses: {', '.join(addresses())}"
    where = f"cannot listen on {address} port {port} ({service}): {error.strerror}"
    if error.errno == errno.EACCES:
        return f"{where}. Ports below 1024 are root's: choose others with --port-base N"
    who = holder(port)
    return f"{where}{f', by {who}' if who else ''}. Stop what uses it, or choose other ports with --port-base N"


def resolved(host: str) -> str:
    """The address of a host's name, such as localhost; what is an address, or has none, as it is."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return host
    return str(min(found, key=lambda row: row[0] != socket.AF_INET)[4][0])


def addresses() -> list[str]:
    """This machine's addresses that can be listened on, loopback first. Link-local ones of IPv6 are left out."""
    found, last = set(), ""
    for words in _rows("/proc/net/fib_trie"):
        if words[0] == "|--":
            last = words[1]
        elif words == ["/32", "host", "LOCAL"]:
            found.add(last)
    for words in _rows("/proc/net/if_inet6"):
        text = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))
        if not text.startswith("fe80:"):
            found.add(text)
    return sorted(found, key=lambda text: (not text.startswith("127."), ":" in text, text))


def holder(port: int) -> str | None:
    """Who listens on the port: another cloud by its folder, else the process by name and number. None when it cannot be
    told, as of another user's process."""
    sockets = {
        f"socket:[{words[9]}]"
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for words in _rows(table)[1:]
        if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").iterdir():
        if sockets and process.name.isdigit() and _has_open(process, sockets):
            return _named(process)
    return None


def _has_open(process: Path, names: set[str]) -> bool:
    try:
        return any(os.readlink(entry.path) in names for entry in os.scandir(process / "fd"))
    except OSError:  # it has ended, or is another user's
        return False


def _named(process: Path) -> str | None:
    try:
        words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")]
        name = (process / "comm").read_text().strip()
    except OSError:
        return None
    if "cumulet.cli.serve" in words and len(words) > words.index("cumulet.cli.serve") + 2:
        return f"the Cumulet cloud in {words[words.index('cumulet.cli.serve') + 2]}"
    return f"{name} (process {process.name})"


def _rows(file: str) -> list[list[str]]:
    """The words of each line; none when the kernel has no such file."""
    try:
        return [line.split() for line in Path(file).read_text().splitlines() if line.strip()]
    except OSError:
        return []
