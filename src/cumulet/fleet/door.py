"""The fleet's door: hosts, desired state and questions to nodes, for services and the process assembly."""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.desired.clouds import Cloud, Seen
from cumulet.fleet.model import clouds
from cumulet.fleet.model.adoption import Adopter, Adopting, Adoption, Thing, Turn
from cumulet.fleet.model.clouds import raise_epoch
from cumulet.fleet.model.counts import host_counts, item_counts
from cumulet.fleet.model.desired import (
    Observed,
    ReportHandler,
    observed,
    publish,
    publish_all,
    republish,
    wanted_on,
    withdraw,
)
from cumulet.fleet.model.formats import Older, Renderer
from cumulet.fleet.model.heard import Heard
from cumulet.fleet.model.hosts import (
    Held,
    Host,
    by_ids,
    by_names,
    clock_was_set,
    held,
    link_allowed,
    link_names,
    newest_time,
    switch,
    with_role,
)
from cumulet.fleet.model.hosts import every as hosts
from cumulet.fleet.model.jobs import JobResult, ask, wait_job
from cumulet.fleet.model.keeping import KeptThing, forget
from cumulet.fleet.model.keeping import every as kept
from cumulet.fleet.model.leaving import alive, drop
from cumulet.fleet.model.leaving import remove as remove_hosts
from cumulet.fleet.model.resets import STAY, switch_on, tell, told
from cumulet.fleet.model.resets import names as host_names
from cumulet.fleet.tables import JobKind

__all__ = [
    "STAY",
    "Adopter",
    "Adopting",
    "Adoption",
    "Heard",
    "Held",
    "Host",
    "JobKind",
    "JobResult",
    "KeptThing",
    "Observed",
    "Older",
    "Renderer",
    "ReportHandler",
    "Thing",
    "Turn",
    "alive",
    "ask",
    "begin_run",
    "by_ids",
    "by_names",
    "clock_was_set",
    "cloud",
    "drop",
    "forget",
    "held",
    "host_by_name",
    "host_counts",
    "host_names",
    "host_up",
    "hosts",
    "item_counts",
    "kept",
    "knows",
    "link_allowed",
    "link_names",
    "network_host",
    "network_link",
    "newest_revision",
    "newest_time",
    "observed",
    "publish",
    "publish_all",
    "raise_epoch",
    "remove_hosts",
    "republish",
    "switch",
    "switch_on",
    "tell",
    "told",
    "wait_job",
    "wanted_on",
    "withdraw",
]


def cloud(tx: Transaction) -> Cloud:
    """Whose rows these are. Raises LookupError in a database in which no controller has started yet."""
    found = clouds.current(tx)
    if found is None:
        raise LookupError("this database does not say whose it is: no controller has started in it")
    return found


def begin_run(tx: Transaction) -> tuple[Cloud, bool]:
    """A controller starts. The cloud, and whether these rows are new: nobody had a cloud in them, nor a node."""
    found, made = clouds.start(tx)
    return found, made and not hosts(tx)


def knows(tx: Transaction, seen: Seen) -> bool:
    """Whether what was seen lies in the past of these rows."""
    found = clouds.current(tx, seen)
    return found is not None and found.knows


def newest_revision(tx: Transaction) -> int:
    """The newest revision at which anything was wanted."""
    return clouds.newest(tx)


def host_by_name(tx: Transaction, name: str) -> Host | None:
    """The host of this name."""
    return by_names(tx, [name]).get(name)


def host_up(tx: Transaction, name: str) -> bool:
    """Whether the host exists and is alive."""
    host = host_by_name(tx, name)
    return host is not None and host.up


def network_host(tx: Transaction) -> Host | None:
    """The host that serves DHCP and routers: the first that joined with the role."""
    return with_role(tx, "network")


def network_link(tx: Transaction) -> tuple[str, str] | None:
    """Link id and name of `network_host`."""
    host = network_host(tx)
    return None if host is None else (host.link_id, host.name)
