"""A verb that nobody knew: its value alone makes it begin, end, fail and show, and a delete end it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select

from cumulet.engine.tables import flows
from cumulet.engine.verbs import within
from cumulet.http.faults import Conflict
from cumulet.services.compute import states
from cumulet.services.compute.context import Actor
from cumulet.services.compute.model import server_verbs, servers
from cumulet.services.compute.verb import ServerVerb
from cumulet.services.compute.verbs import VERBS
from tests.services.compute.conftest import Nova, show
from tests.services.serving import caller

NAP = ServerVerb(
    name="nap",
    action="nap",
    event="compute_nap_instance",
    legal=within(states.ACTIVE),
    task="napping",
    want={"power": "off"},
    report="ready",
    becomes={states.SHUTDOWN: states.SUSPENDED},
    fails=states.ERROR,
    flow="power",
    deadline="power",
)


@pytest.fixture(autouse=True)
def nap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if `verbs/nap.py` were there."""
    monkeypatch.setitem(VERBS._by_name, NAP.name, NAP)
    monkeypatch.setitem(VERBS._by_task, NAP.task, NAP)
    yield


def ask(nova: Nova, server_id: str, project: str = "demo") -> None:
    """What the operation of the verb would do."""
    with nova.db.transaction() as tx:
        row = servers.by_id(tx, server_id)
        assert row is not None
        server_verbs.begin(tx, Actor(caller(project), nova.context, "req-nap", False), row, NAP)


def action(client: httpx.Client, server_id: str) -> dict:
    found = client.get(f"/v2.1/servers/{server_id}/os-instance-actions/req-nap").json()["instanceAction"]
    return {**found, **found["events"][0]}


def test_it_begins_and_ends(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    ask(nova, server_id)
    body = show(demo, server_id)
    assert (body["status"], body["OS-EXT-STS:task_state"]) == ("ACTIVE", "napping")
    with pytest.raises(Conflict, match=r"Cannot 'nap' instance .* while it is in task_state napping"):
        ask(nova, server_id)
    nova.node.work()
    body = show(demo, server_id)
    assert (body["status"], body["OS-EXT-STS:task_state"], body["OS-EXT-STS:power_state"]) == ("SUSPENDED", None, 4)
    seen = action(demo, server_id)
    assert (seen["action"], seen["event"], seen["result"]) == ("nap", "compute_nap_instance", "Success")
    assert nova.node.guests[server_id].power == "off"


def test_a_report_that_does_not_show_its_end_is_waited_out(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    ask(nova, server_id)
    nova.node.react = lambda item: {"facts": {"power_state": "running"}} if item.kind == "guest" else {}
    nova.node.work()
    assert show(demo, server_id)["OS-EXT-STS:task_state"] == "napping"
    with nova.db.transaction() as tx:
        tx.update(flows, flows.c.subject == server_id, deadline_at=tx.now - 1, due_at=tx.now - 1)
    nova.run_flows()
    body = show(demo, server_id)
    assert body["status"] == "ERROR" and body["fault"]["message"] == "The nap was not done within 300 seconds."
    assert action(demo, server_id)["result"] == "Error"


def test_a_delete_ends_it(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    ask(nova, server_id)
    assert demo.delete(f"/v2.1/servers/{server_id}").status_code == 204
    with nova.db.read() as tx:
        assert [row.kind for row in tx.rows(select(flows))] == ["delete"]
    nova.node.work()
    with nova.client("demo") as client:
        assert action(client, server_id)["result"] == "Success"
    with nova.db.read() as tx:
        assert list(tx.rows(select(flows))) == []


def test_a_lock_keeps_its_owner_from_it(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    with nova.db.transaction() as tx:
        servers.change(tx, server_id, locked_by="admin")
    with pytest.raises(Conflict, match="is locked"):
        ask(nova, server_id)
