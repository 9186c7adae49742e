"""Names of what a server can be, and the status that clients see of it. What leads from one state to another is in
``verbs/``.

A server is (vm_state, task_state): where it is, and what is being done about it. Statuses are Nova's view of that.
"""

from __future__ import annotations

BUILDING, ACTIVE, STOPPED, PAUSED, ERROR, DELETED = "building", "active", "stopped", "paused", "error", "deleted"
SUSPENDED, RESCUED, RESIZED, SOFT_DELETED = "suspended", "rescued", "resized", "soft-delete"

ALIVE = (BUILDING, ACTIVE, STOPPED, PAUSED, SUSPENDED, RESCUED, RESIZED, ERROR, SOFT_DELETED)

SPAWNING, DELETING = "spawning", "deleting"
POWERING_OFF, POWERING_ON = "powering-off", "powering-on"
REBOOTING, REBOOTING_HARD = "rebooting", "rebooting_hard"

NO_STATE, RUNNING, POWER_PAUSED, SHUTDOWN, CRASHED = 0, 1, 3, 4, 6

POWER_STATES = {"running": RUNNING, "paused": POWER_PAUSED, "shutdown": SHUTDOWN, "crashed": CRASHED}

_STATUS: dict[str, tuple[str, dict[str, str]]] = {
    ACTIVE: ("ACTIVE", {REBOOTING: "REBOOT", REBOOTING_HARD: "HARD_REBOOT"}),
    BUILDING: ("BUILD", {}),
    STOPPED: ("SHUTOFF", {}),
    PAUSED: ("PAUSED", {}),
    SUSPENDED: ("SUSPENDED", {}),
    RESCUED: ("RESCUE", {}),
    RESIZED: ("VERIFY_RESIZE", {}),
    ERROR: ("ERROR", {}),
    DELETED: ("DELETED", {}),
    SOFT_DELETED: ("SOFT_DELETED", {}),
}

WITH_PROGRESS = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
WITH_FAULT = frozenset({"ERROR", "DELETED"})


def status_of(vm_state: str, task_state: str | None) -> str:
    """The status that clients see."""
    default, special = _STATUS.get(vm_state, ("UNKNOWN", {}))
    return special.get(task_state or "", default)


def states_of(status: str) -> list[tuple[str, str | None, frozenset[str]]]:
    """What a status stands for: (vm_state, its task_state or None for any, task_states that it is not)."""
    wanted = status.upper()
    found: list[tuple[str, str | None, frozenset[str]]] = []
    for vm_state, (default, special) in _STATUS.items():
        if default == wanted:
            found.append((vm_state, None, frozenset(special)))
        found += [(vm_state, task, frozenset()) for task, name in special.items() if name == wanted]
    return found
