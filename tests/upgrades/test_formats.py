"""A format of guests that does not exist yet: its controller with nodes of today, its nodes with today's controller.

In the next format a guest has `threads` beside its `vcpus`. Today's cannot say more than one.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.db import Transaction
from cumulet.desired import formats, kinds
from cumulet.desired.formats import READS_HEADER, Deferred
from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.keeping import Kept
from cumulet.fleet import door
from cumulet.fleet.model import desired, told
from cumulet.fleet.model.formats import parsed
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Link
from cumulet.node.simulated import SimulatedParts
from tests.assembled import Assembled
from tests.fleet.test_link import Cloud, _until, guest

SENTENCE = "The node of this host is of an earlier version than this needs: 2 threads for each processor."


TODAY = kinds.FORMATS["guest"]
NEXT = TODAY + 1


class Threaded(Guest, kw_only=True):
    """A guest in the next format."""

    threads: int


def newer(said: dict[str, Any]) -> dict[str, Any]:
    return said | {"threads": 1}


def older(tx: Transaction, link_id: str, specs: Mapping[str, Any]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for ref, spec in specs.items():
        said = msgspec.to_builtins(spec)
        threads = said.pop("threads")
        found[ref] = said if threads == 1 else Deferred(why=f"{threads} threads for each processor")
    return found


@pytest.fixture
def next_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is of the next version."""
    for table, value in ((kinds.FORMATS, NEXT), (kinds.SPECS, Threaded), (kinds.NEWER, newer)):
        monkeypatch.setitem(table, "guest", value)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    made.context.older = {"guest": older}
    yield made
    made.db.wakeups.close()


def threaded(number: int, threads: int) -> Threaded:
    return msgspec.convert(msgspec.to_builtins(guest(number)) | {"threads": threads}, Threaded)


class Asking:
    """A node by its requests alone; `reads` is its word about formats."""

    def __init__(self, cloud: Cloud, reads: str | None) -> None:
        self.port, self.reads, self.own = cloud.port, reads, {"X-Cumulet-Node": "n", "X-Cumulet-Seen": "-"}
        hosts = [msgspec.to_builtins(fact) for fact in SimulatedParts(1).facts()]
        joined = self.ask("POST", "/v1/join", {"hosts": hosts}, Authorization=f"Bearer {cloud.token('n')}")
        self.own |= {"X-Cumulet-Link": joined["link_id"], "X-Cumulet-Secret": joined["secret"]}

    def ask(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        shown = {"Content-Type": "application/json", **self.own, **headers}
        if self.reads is not None:
            shown[READS_HEADER] = self.reads
        connection.request(method, path, None if body is None else json.dumps(body), shown)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == status, text
        return json.loads(text)

    def items(self, since: int = 0) -> dict[str, Any]:
        found = self.ask("GET", f"/v1/desired?kinds=guest&since={since}&wait=0").get("items", [])
        return {each["ref"]: each for each in found}

    def report(self, item: Mapping[str, Any], state: str) -> int:
        said = {name: item[name] for name in ("host", "kind", "ref", "revision")} | {"state": state}
        return int(self.ask("POST", "/v1/reports", {"reports": [said]})["kept"])


def seen(cloud: Cloud, ref: str) -> tuple[str, str | None]:
    with cloud.db.read() as tx:
        found = door.observed(tx, "guest", [ref])[ref]
    return found.state, found.error


@pytest.mark.parametrize("reads", [f"guest={TODAY - 1}-{TODAY}", f"network=1-1 guest={TODAY}-{TODAY} dragon=3-4"])
def test_a_newer_controller_says_it_in_the_format_before(next_format: None, cloud: Cloud, reads: str) -> None:
    """A node of today: what can be said comes as it reads it."""
    node = Asking(cloud, reads)
    made = threaded(1, 1)
    cloud.want(made)
    (item,) = node.items().values()
    assert item["spec"] == msgspec.to_builtins(guest(1)) and item["format"] == TODAY
    assert node.report(item, "ready") == 1 and seen(cloud, made.id) == ("ready", None)


@pytest.mark.parametrize("reads", [f"guest={TODAY - 1}-{TODAY}", f"guest={TODAY}-{TODAY}"])
def test_what_the_format_before_cannot_say_waits_for_the_upgrade(next_format: None, cloud: Cloud, reads: str) -> None:
    """It is listed, so that nobody takes it for unwanted; it says nothing; and whoever waits for it learns why."""
    node = Asking(cloud, reads)
    made = threaded(1, 2)
    revision = cloud.want(made)
    for _ in range(2):
        (item,) = node.items().values()
        assert item["deferred"] == SENTENCE and "spec" not in item and "gone" not in item
    assert seen(cloud, made.id) == ("failed", SENTENCE)
    (report,) = cloud.reports  # once, however often the node asks
    assert (report.state, report.error, report.revision) == ("failed", SENTENCE, revision)
    assert node.report(item, "failed") == 0  # as 0.2.0 says of an item without a spec: it knows less than we do
    with cloud.db.read() as tx:
        assert desired.summary(tx)["failed"] == [{"kind": "guest", "ref": made.id, "error": SENTENCE}]
    node.reads = f"guest={TODAY}-{NEXT}"  # it was upgraded
    (item,) = node.items().values()
    assert (item["format"], item["spec"]["threads"]) == (NEXT, 2)
    assert seen(cloud, made.id) == ("wanted", None)
    assert node.report(item, "failed") == 1 and seen(cloud, made.id)[0] == "failed"
    assert node.report(item, "ready") == 1 and seen(cloud, made.id) == ("ready", None)


def test_a_change_that_can_be_said_ends_the_wait(next_format: None, cloud: Cloud) -> None:
    node = Asking(cloud, f"guest={TODAY}-{TODAY}")
    made = threaded(1, 2)
    node.items(cloud.want(made) - 1)
    made.threads = 1
    revision = cloud.want(made)
    (item,) = node.items(revision - 1).values()
    assert "deferred" not in item and node.report(item, "ready") == 1
    cloud.drop(made.id)
    (item,) = node.items(revision).values()
    assert item["gone"] is True


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        ("guest=0-0", "The node of this host is of an earlier version than this needs: it does not read this guest."),
        (
            f"guest={NEXT + 1}-{NEXT + 2}",
            "The node of this host is of a later version than the controller, and does not read its guests any more.",
        ),
    ],
)
def test_versions_that_are_no_neighbours_say_so(next_format: None, cloud: Cloud, reads: str, says: str) -> None:
    node = Asking(cloud, reads)
    made = threaded(1, 1)
    cloud.want(made)
    assert node.items()[made.id]["deferred"] == says and seen(cloud, made.id) == ("failed", says)


@pytest.mark.parametrize(
    "text", ["guest", "guest=1", "guest=1-", "guest=-1-2", "guest=1-2,network=1-1", "a=1-1 " * 101]
)
def test_a_word_about_formats_that_cannot_be_is_refused(cloud: Cloud, text: str) -> None:
    with pytest.raises(told.FactsError):
        parsed(text)
    node = Asking(cloud, None)
    node.reads = text
    node.ask("GET", "/v1/desired?kinds=guest&since=0&wait=0", status=400)


AGENT = """
    import sys, time
    from pathlib import Path
    from cumulet.node.agent import Agent
    from cumulet.node.journal import Journal
    from cumulet.node.link import Link
    from cumulet.node.simulated import SimulatedParts
    url, token, folder = sys.argv[1:]
    parts, link = SimulatedParts(1), Link(url)
    link.join("n", parts.facts(), token)
    agent = Agent(link, parts, Journal(Path(folder)))
    agent.start()
    sys.stdin.read()
    print(*sorted(guest.id for guest in parts.guests()), flush=True)
    agent.stop()
"""


def test_the_agent_of_today_under_a_newer_controller(next_format: None, cloud: Cloud, tmp_path: Path) -> None:
    """In a process of its own, which knows nothing of the next format: it makes what it reads and keeps what it has."""
    words = [sys.executable, "-c", textwrap.dedent(AGENT), cloud.url, cloud.token("n"), str(tmp_path / "journal")]
    node = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _until(lambda: _hosts(cloud))
        kept, new = threaded(1, 1), threaded(2, 2)
        cloud.want(kept)
        _until(lambda: seen(cloud, kept.id) == ("ready", None))
        kept.threads = 2
        cloud.want(kept)
        cloud.want(new)
        _until(lambda: [seen(cloud, each.id) for each in (kept, new)] == [("failed", SENTENCE)] * 2)
        time.sleep(0.5)  # whatever it says of them
        assert [seen(cloud, each.id) for each in (kept, new)] == [("failed", SENTENCE)] * 2
    finally:
        said, _ = node.communicate("", timeout=30)
    assert said.split() == [kept.id]


def _hosts(cloud: Cloud) -> bool:
    with cloud.db.read() as tx:
        return bool(door.hosts(tx))


# ---- a node of the next version


def test_a_newer_node_takes_the_format_before(next_format: None, tmp_path: Path) -> None:
    """What was kept in it is taken after a restart as well."""
    parts = SimulatedParts(1)
    link = Link("http://127.0.0.1:9")
    assert link._headers()[READS_HEADER] == f"network=1-1 security_group=1-1 router=1-1 port=1-1 guest={TODAY}-{NEXT}"
    item = Item(host="sim-0001", kind="guest", ref=guest(1).id, revision=3, spec=msgspec.to_builtins(guest(1)))
    item.format = TODAY
    for journal in (Journal(tmp_path), Journal(tmp_path)):
        agent = Agent(link, parts, journal)
        for entry in (*journal.load(), item):
            agent._accept(entry)
        assert agent.spec("guest", item.ref).threads == 1
    two = msgspec.structs.replace(item, revision=4, format=NEXT, spec=msgspec.to_builtins(threaded(1, 2)))
    agent._accept(two)
    assert agent.spec("guest", item.ref).threads == 2
    assert msgspec.json.decode((tmp_path / f"guest.{item.ref}.json").read_bytes())["format"] == NEXT


def test_a_node_keeps_what_it_has_of_a_format_that_it_does_not_read(tmp_path: Path) -> None:
    """A node that went back a version: what its journal says in the newer format is refused in words, and stays."""
    agent = Agent(Link("http://127.0.0.1:9"), SimulatedParts(1), Journal(None))
    ref = guest(1).id
    agent._accept(
        Item(host="h", kind="guest", ref=ref, revision=3, format=NEXT, spec=msgspec.to_builtins(threaded(1, 2)))
    )
    assert agent.spec("guest", ref) is None and agent.refused("guest") == {ref}
    (report,) = agent._said.values()
    assert report.detail == f"it is in format {NEXT} of guest, and this version reads {TODAY - 1} and {TODAY}"


def test_rows_are_made_of_what_nodes_keep_in_the_format_before(next_format: None) -> None:
    item = Item(host="h", kind="guest", ref=guest(1).id, revision=3, spec=msgspec.to_builtins(guest(1)))
    item.format = TODAY
    kept = told.kept(Kept(host="h", kind="guest", ref=item.ref, why="hold", item=item))
    assert kept.item is not None and (kept.item.format, kept.item.spec["threads"]) == (NEXT, 1)
    strange = msgspec.structs.replace(item, format=NEXT + 1)
    assert told.kept(Kept(host="h", kind="guest", ref=item.ref, why="hold", item=strange)).item is None


# ---- what a kind must have


def test_a_format_after_the_first_has_both_its_functions(tmp_path: Path) -> None:
    """`NEWER` for nodes, and `older` of the service that renders the kind."""
    side = Assembled(tmp_path / "state")
    context = side.controller.app.mounts[side.settings.ports.of("link")].context  # type: ignore[union-attr]
    side.close()
    assert set(kinds.FORMATS) == set(context.renderers) == set(formats.own())
    for kind, number in kinds.FORMATS.items():
        assert (kind in kinds.NEWER) == (kind in context.older) == (number > 1), kind
