"""The node process: put together here, everything else is under ``cumulet.node``.

Real: parts on libvirt and the kernel's network, as root. Simulated: any number of hosts, as anybody.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from cumulet.cli import link_client, supervise
from cumulet.cli.api_client import ApiError
from cumulet.config import Settings
from cumulet.desired.hosts import HostFacts
from cumulet.desired.simulation import SimulationError
from cumulet.node import simulation
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Link, LinkError
from cumulet.node.parts import Parts
from cumulet.node.simulated import SimulatedParts

log = logging.getLogger("cumulet.node")

UNAUTHORIZED = 401
LOOK_S = 0.03
PATIENT_AFTER_S = 15.0
"""For so long the controller is asked often: it starts beside us, and `up` waits for both."""


def run(settings: Settings) -> int:
    """Converge until SIGTERM. Guests and their network stay when this process ends."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = settings.node_dir
    link = Link(settings.local_url("link"), folder / "link.json", link_client.controllers(settings))
    simulated = settings.simulated is not None
    try:
        parts: Parts = _simulated(settings) if simulated else _real(settings, link)
    except SimulationError as error:
        print(f"node: {error}", file=sys.stderr)
        return 2
    gc.enable()
    gc.freeze()
    journal = Journal(folder / "journal")
    link.seen = lambda: journal.seen
    link.restarts = int(os.environ.get(supervise.RESTARTS, "0"))
    _join(settings, link, parts, stop)
    link.there = there = threading.Event()
    threading.Thread(target=_look_for, args=(link, there, stop), name="look", daemon=True).start()
    agent = Agent(
        link,
        parts,
        journal,
        rejoin=lambda: _join(settings, link, parts, stop, again=True),
        strange_s=settings.strange_seconds,
    )
    agent.start()
    stop.wait()
    there.set()
    agent.stop()
    return 0


def _look_for(link: Link, there: threading.Event, stop: threading.Event) -> None:
    """Say when somebody listens where the controller should be, so that nobody asks in vain and then waits for longer
    and longer. After a while it is left to those who ask."""
    begun = time.monotonic()
    while not (stop.is_set() or link.answers) and time.monotonic() - begun < PATIENT_AFTER_S:
        time.sleep(LOOK_S)
    there.set()


def _join(settings: Settings, link: Link, parts: Parts, stop: threading.Event, *, again: bool = False) -> None:
    """Join, waiting for a controller that is not there yet."""
    if link.joined and not again:
        return
    facts = parts.facts()
    begun, pause, waits = time.monotonic(), LOOK_S, False
    while not stop.is_set():
        try:
            if not link.answers:
                raise LinkError("nobody listens there")
            _join_once(settings, link, facts)
            log.info("joined with %d hosts", len(facts))
            return
        except LinkError as error:
            if error.status:
                raise
            if not waits:
                log.info("waiting for the controller")
                waits = True
            log.debug("%s", error)
            time.sleep(pause)
            if time.monotonic() - begun > PATIENT_AFTER_S:
                pause = min(2.0, pause * 1.5)


def _join_once(settings: Settings, link: Link, facts: Sequence[HostFacts]) -> None:
    """With the secret of before; when that is lost, or the controller's memory of it, with a token of its own.

    This machine's node lives beside the controller, and who runs it may read the operator's secret: it asks for its
    token itself, so that neither a start nor a loss needs a person.
    """
    if link.joined:
        try:
            link.join(settings.node_name, facts)
            return
        except LinkError as error:
            if error.status != UNAUTHORIZED:
                raise
            log.warning("the controller does not know this node's secret: joining with a new token")
    try:
        token = str(link_client.token(settings, settings.node_name)["token"])
    except ApiError as error:
        raise LinkError(f"no token to join with: {error}", error.code) from error
    link.join(settings.node_name, facts, token)


def _simulated(settings: Settings) -> Parts:
    script = simulation.load(settings.state, settings.simulated_seed)
    return SimulatedParts(settings.simulated or 0, script, settings.node_dir / "world")


def _real(settings: Settings, link: Link) -> Parts:
    from cumulet.node.real import RealParts  # needs libvirt, which simulated hosts do not have

    return RealParts(settings, link)
