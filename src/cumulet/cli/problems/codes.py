"""Every code that a problem may have, the worst first: `status` begins with the problem that stands highest here.

Programs read them in ``status --json``; `docs/operating.md` shows this table to people. A code never changes its
meaning.
"""

from __future__ import annotations

CODES = {
    "cloud-estranged": "The database is not the one that the nodes and images of this folder belong to.",
    "node-holds": "A node does not take what this controller says; it keeps everything as it is.",
    "database-missing": "The cloud was started before, but its database is not there.",
    "database-damaged": "The database cannot be read.",
    "disk-full": "A file system of the cloud is full.",
    "disk-read-only": "A file system of the cloud cannot be written.",
    "database-refuses": "The database refused to be written a moment ago.",
    "process-down": "The controller or the node does not run.",
    "endpoint-silent": "An API does not answer.",
    "controller-silent": "The controller does not say how its nodes are.",
    "lock-lost": "The cloud runs, but the lock that says so is gone.",
    "node-down": "A host was not heard of for a minute.",
    "image-folder": "A folder of images cannot be marked as the cloud's.",
    "kept": "Nodes keep guests or networks that this cloud does not know.",
    "audit-failing": "The audit log cannot be written.",
    "secret-open": "A secret may be read by others, or is not its owner's.",
    "secret-missing": "A secret is not there.",
    "admin-password": "The password in secrets/admin_password is no longer admin's.",
    "certificate": "A certificate ends soon, has ended, or cannot be read.",
    "clock-wrong": "This machine's clock is behind what the database has seen, or a node's clock is another.",
    "clock-stepped": "This machine's clock was set while the cloud ran.",
    "disk-low": "Less than 5 % of a file system of the cloud is free.",
    "node-problem": "A host says that something is wrong with it.",
    "item-failed": "A host could not make what was wanted.",
    "options-ignored": "cumulet.toml cannot be used, or was changed and is not in force.",
    "policy-ignored": "policy.yaml cannot be used; the rules before are in force.",
    "stores-ignored": "image.toml cannot be used, or was changed and is not in force.",
    "restarts": "A process ended and was started again within the last hour.",
    "endpoint-slow": "An API takes more than a second to answer.",
    "check-failed": "A check itself did not work.",
}


def rank(code: str) -> int:
    """The place of a code, the worst first; one that is not listed comes last."""
    return _PLACES.get(code, len(_PLACES))


_PLACES = {code: place for place, code in enumerate(CODES)}
