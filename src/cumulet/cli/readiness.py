"""Waiting for a cloud that starts: until every API answers and every node is up, or it is clear that they
will not.

It asks over HTTP only, as a client would, and nothing that the access log has a line for: what a fresh cloud logs is
what its user does.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cumulet.cli import belonging, hints, link_client, processes, supervise, trust
from cumulet.cli.api_client import ANY, OtherCertificateError, call
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import Settings, standard_ports
from cumulet.introduction import introduced

API_SECONDS = 90.0
NODE_SECONDS = 120.0
_UNSETTLED = NODE_SECONDS - 5
"""So long before the end a node has had the time to say that it has fewer hosts than before."""
TOO_MANY_RESTARTS = 3
PATIENCE = 0.25
"""Seconds between two looks at whether the processes live."""
HEALTH = "/healthcheck"
_JSON = {"Accept": "application/json"}
_PASSING = f"exit {supervise.PASSING}"


@dataclass(frozen=True)
class Endpoint:
    """How a service answered just now: `ms` to its answer and the HTTP `status`, or `error` in words. `other`: it shows
    another certificate than the one in its file."""

    service: str
    url: str
    ms: float | None
    status: int | None
    error: str | None
    other: bool = False

    @property
    def answers(self) -> bool:
        return self.status is not None and self.status < 500


def probe(settings: Settings, service: str, timeout: float = 3.0, path: str | None = None) -> Endpoint:
    """Ask one service for its root (or version) document, or for another `path`. Never raises."""
    path = path or introduced(service).probe
    if service == "console" and settings.simulated is not None:
        path = HEALTH  # simulated hosts have no screens, so the pages that show them need not be installed
    url = settings.local_url(service) + path
    start, other = time.monotonic(), False
    try:
        try:
            shown = _shown(settings) if url.startswith("https:") else None
            status, _, _ = call("GET", url, _JSON, timeout=timeout, shown=shown)
        except OtherCertificateError:
            other = True
            status, _, _ = call("GET", url, _JSON, timeout=timeout, shown=ANY)
    except OSError as error:
        return Endpoint(service, settings.url(service), None, None, error.strerror or str(error))
    took = (time.monotonic() - start) * 1000
    wrong = f"HTTP status {status}" if status >= 500 else None
    return Endpoint(service, settings.url(service), round(took, 1), status, wrong, other)


def _shown(settings: Settings) -> bytes | None:
    """The certificate in the file. Raises OtherCertificateError when that holds none."""
    try:
        return trust.certificate(settings)
    except OSError as error:
        raise OtherCertificateError(str(error)) from None


def probe_all(settings: Settings, services: list[str] | None = None) -> list[Endpoint]:
    """All services at once, so that one that hangs does not hold up the others."""
    from concurrent.futures import ThreadPoolExecutor  # imported here, where there is time: it takes logging along

    names = list(standard_ports()) if services is None else services
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return list(pool.map(lambda name: probe(settings, name), names))


def wait_for_apis(settings: Settings, progress: Progress) -> None:
    """Until every service answers. Raises CliError, with the end of the log, when they do not.

    They begin to listen together, so that the first one is waited for alone, by nothing but a connection. One that a
    file has switched off (``healthcheck_disable``) answers, too.
    """
    with progress.step("every API answers"):
        before = _restarts(settings)
        begun = looked = time.monotonic()
        waiting, wrong, listens = list(standard_ports()), "nobody listens", False
        door = urlsplit(settings.local_url(waiting[0]))
        while waiting:
            listens = listens or _listens(door.hostname or "", door.port or 0)
            if listens:
                asked = [probe(settings, name, path=HEALTH) for name in waiting]
                silent = [endpoint for endpoint in asked if endpoint.status is None]
                waiting = [endpoint.service for endpoint in silent]
                wrong = ", ".join(f"{endpoint.service}: {endpoint.error}" for endpoint in silent)
            now = time.monotonic()
            if waiting and now - looked > PATIENCE:
                looked = now
                _still_alive(settings, before, ["controller"])
                progress.detail(", ".join(waiting))
            if waiting and now - begun > API_SECONDS:
                raise CliError(f"no answer after {API_SECONDS:.0f} s ({wrong}).\n{_tails(settings, ['controller'])}")
            if waiting:
                time.sleep(0.05 if listens else 0.02)


def _listens(host: str, port: int) -> bool:
    """Whether anybody listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(3)
        return probe.connect_ex((host, port)) == 0


def wait_for_nodes(settings: Settings, progress: Progress) -> None:
    """Until as many hosts are up as there should be, or they hold because they are not this controller's. Raises
    CliError when they do not come."""
    expected = settings.simulated or 1
    with progress.step("the node is up" if expected == 1 else f"{expected} hosts are up"):
        deadline, before = time.monotonic() + NODE_SECONDS, _restarts(settings)
        looked = time.monotonic()
        while True:
            standing = link_client.standing(settings)
            if any(belonging.foreign(standing, settings.state)):
                return
            hosts = standing["nodes"]
            # What an operator has taken out of service, and a node that holds, are there, too.
            count = sum(bool(host["up"] or host.get("forced_down") or host.get("hold")) for host in hosts)
            settled = count == expected or settings.simulated is None or time.monotonic() > deadline - _UNSETTLED
            if count >= expected and settled:
                _say_who_left(hosts, progress)
                return
            if time.monotonic() - looked > PATIENCE:
                looked = time.monotonic()
                _still_alive(settings, before)
            if time.monotonic() > deadline:
                tail = _tails(settings, ["node"])
                raise CliError(f"{count} of {expected} hosts are up after {NODE_SECONDS:.0f} s.\n{tail}")
            progress.detail(f"{count} of {expected}")
            time.sleep(0.02 if expected < 50 else 0.5)


def _say_who_left(hosts: Sequence[Mapping[str, Any]], progress: Progress) -> None:
    """Hosts that there were, and that servers are still on."""
    left = [str(host["host"]) for host in hosts if host.get("left")]
    if left:
        some = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        progress.say(
            f"  No longer there, and down: {some}. When their servers are deleted, remove them: "
            f"{hints.name()} openstack compute service delete ID"
        )


def _restarts(settings: Settings) -> dict[str, int]:
    """How often each process has been started again so far, for a cloud that has run for long."""
    return {row.name: row.restarts for row in processes.rows(settings, memory=False)}


def _still_alive(settings: Settings, before: Mapping[str, int], names: Sequence[str] = processes.CHILDREN) -> None:
    """Raise CliError when a process keeps ending: waiting longer would not help. One that ends with 2 has said what is
    wrong with its options or files, which trying again does not change; with 75, of what it needs."""
    rows = processes.rows(settings, memory=False)
    if not rows and processes.supervisor_pid(settings) is None:
        raise CliError(f"the supervisor ended:\n{processes.log_tail(settings, 'supervisor')}")
    for row in rows:
        again = row.restarts - before.get(row.name, 0)
        said_why = row.given_up or (row.last_exit == _PASSING and (again or row.pid is None))
        if row.name in names and (again >= TOO_MANY_RESTARTS or said_why):
            why = processes.last_words(settings, row.name)
            how = "does not start" if said_why else f"keeps ending ({row.last_exit})"
            tail = "" if said_why else f"\nIts log:\n{_tails(settings, [row.name])}"
            raise CliError(f"the {row.name} {how}: {why}{tail}")


def _tails(settings: Settings, names: list[str]) -> str:
    return "\n".join(f"  {settings.log_dir}/{name}.log\n{processes.log_tail(settings, name)}" for name in names)
