"""What a verb of a server says beyond what every verb says (`cumulet.engine.verbs`): how Nova calls it, what changes of
the guest that is wanted, and what its node has to report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from cumulet.engine.verbs import Verb
from cumulet.services.compute import states

if TYPE_CHECKING:
    from cumulet.services.compute.tables import ServerRow


class ServerVerb(Verb, frozen=True, kw_only=True):
    """One thing that is done to a server. What is seen at its end (`becomes`) is a power state.

    `action`: what clients call it, in refusals and in the list of a server's actions; several verbs may share one.
    `event`: the event of that action, in Nova's words; empty: it is not in that list.
    `want`: columns of the guest that is wanted, and what they hold from the beginning on; None: no guest is wanted.
    `counts`: the column that goes up by one, so that the same may be asked for again; empty: none.
    `report`: what the node says of the newest revision of the guest at the end; empty: no node is asked.
    """

    action: str = ""
    event: str = ""
    want: Mapping[str, str] | None = {}
    counts: str = ""
    report: Literal["", "ready", "absent"] = ""

    def wanted(self, row: ServerRow) -> dict[str, Any]:
        """The values of a server's columns that say what is wanted of its guest from now on."""
        values: dict[str, Any] = dict(self.want or {})
        return {**values, self.counts: getattr(row, self.counts) + 1} if self.counts else values


POWERED_ON: Mapping[int, str] = {
    states.RUNNING: states.ACTIVE,
    states.SHUTDOWN: states.STOPPED,
    states.CRASHED: states.STOPPED,
    states.POWER_PAUSED: states.STOPPED,
}
POWERED_OFF: Mapping[int, str] = {states.SHUTDOWN: states.STOPPED, **POWERED_ON}
"""What a guest that is as wanted makes of its server: whether it runs says its node, not who asked."""
