"""What only the controller's process sees. Each function gives a finder for `LinkContext.problems`."""

from __future__ import annotations

import time

from cumulet.auth import Policies
from cumulet.db import Database
from cumulet.db.trouble import Why
from cumulet.engine.clock import Clock
from cumulet.fleet import door as fleet
from cumulet.fleet.service import FindProblems
from cumulet.problem import Problem

STEP_TOLD_S = 3600
AHEAD_S = 60
APART_S = 5
"""So far the clocks of a node and of the controller may be apart."""

_REFUSALS: dict[Why, tuple[str, str, str]] = {
    "full": ("disk-full", "the database's disk is full, and a write was refused", "Make room there"),
    "read-only": ("disk-read-only", "the database cannot be written: its disk or server is read-only", "See dmesg"),
    "damaged": ("database-damaged", "the database is damaged", "Stop the cloud and restore a backup: cumulet restore"),
    "away": ("database-refuses", "the database did not take the last write", "The controller's log says why"),
}


def database(db: Database) -> FindProblems:
    """Whether the last write was refused. Nodes write every ten seconds, so that it is known soon when it is over."""

    def find() -> list[Problem]:
        why = db.refusal
        return [] if why is None else [Problem(*_REFUSALS[why])]

    return find


def policy(policies: Policies) -> FindProblems:
    """Whether ``policy.yaml`` is in force as it is."""

    def find() -> list[Problem]:
        if policies.refused is None:
            return []
        sentence = f"{policies.refused}; the rules before stay in force"
        return [Problem("policy-ignored", sentence, "Mend the file: it is read again when it changes")]

    return find


def clock(db: Database, clock: Clock) -> FindProblems:
    """Whether the clock was set within the last hour, and whether it is behind what the database has seen."""

    def find() -> list[Problem]:
        found = []
        if clock.stepped_at is not None and time.clock_gettime(time.CLOCK_BOOTTIME) - clock.stepped_at < STEP_TOLD_S:
            way = "ahead" if clock.stepped_us > 0 else "back"
            sentence = f"the clock was set {way} by {abs(clock.stepped_us) / 1e6:.0f} s while the cloud ran"
            advice = "Deadlines were moved with it; tokens may have ended early. Use a time service, such as chrony"
            found.append(Problem("clock-stepped", sentence, advice))
        with db.read() as tx:
            newest, now = fleet.newest_time(tx), tx.now
        if newest - now > AHEAD_S * 1_000_000:
            sentence = f"the clock is behind: the database has times {(newest - now) / 1e6:.0f} s from now"
            found.append(
                Problem("clock-wrong", sentence, "Set the clock, and keep it by a time service such as chrony")
            )
        return found

    return find


def clocks(db: Database, heard: fleet.Heard) -> FindProblems:
    """Whether a node's clock differs from the controller's."""

    def find() -> list[Problem]:
        off = {link_id: us for link_id, us in heard.off_us().items() if abs(us) > APART_S * 1_000_000}
        if not off:
            return []
        with db.read() as tx:
            names = fleet.link_names(tx)
        advice = "Set the clocks of both, and keep them by a time service such as chrony"
        return [
            Problem("clock-wrong", _apart(names.get(link_id, link_id), us / 1e6), advice) for link_id, us in off.items()
        ]

    return find


def _apart(name: str, seconds: float) -> str:
    way = "ahead of" if seconds > 0 else "behind"
    return f"the clock of the node {name} is {abs(seconds):.0f} s {way} the controller's"
