"""The node's door: whatever a taken-over controller sends, only guests that could be this cloud's reach the parts.

An answer crosses the wire as JSON, through the link's reading and the agent's acceptance, as it does in a node.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cumulet.desired.checks.guest import on_host as check_guest
from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item, Report
from cumulet.desired.questions import Job, JobDone
from cumulet.node import checks
from cumulet.node.agent import Agent
from cumulet.node.guest import domain
from cumulet.node.guest.parts import config_drive
from cumulet.node.journal import Journal
from cumulet.node.link import Answer, Link
from cumulet.node.questions import MOST_WAITING

ID = "0a000000-0000-4000-8000-000000000001"
OTHER = "0a000000-0000-4000-8000-000000000002"
IMAGE = "0b000000-0000-4000-8000-000000000001"
PORT = "0c000000-0000-4000-8000-000000000001"
NETWORK = "0d000000-0000-4000-8000-000000000001"
MAC = "fa:16:3e:00:00:01"
SUM = "ab" * 64


def spec(ref: str = ID) -> dict[str, Any]:
    """A guest as the controller tells it."""
    return {
        "id": ref,
        "name": "instance-00000001",
        "display_name": "my server ☃",
        "vcpus": 2,
        "memory_mb": 512,
        "root_gb": 1,
        "ephemeral_gb": 1,
        "swap_mb": 64,
        "image": {
            "id": IMAGE,
            "disk_format": "ami",
            "size": 1000,
            "os_hash_value": SUM,
            "kernel": {"id": IMAGE, "size": 10, "os_hash_value": SUM},
            "ramdisk": {"id": IMAGE, "size": 10, "os_hash_value": SUM},
            "properties": {"os_command_line": "root=/dev/vda", "anything": "x\ny"},
        },
        "interfaces": [
            {"port_id": PORT, "network_id": NETWORK, "mac": "fa:16:3e:00:00:01", "security_groups": [OTHER]}
        ],
        "ports": [{"port_id": OTHER, "network_id": NETWORK, "mac": "fa:16:3e:00:00:02"}],
        "power": "on",
        "hard_reboots": 1,
        "soft_reboots": 0,
        "config_drive": {"openstack/latest/meta_data.json": "{}", "ec2/latest/user-data": "base64:AAEC"},
        "project_id": "a" * 32,
        "user_id": "b" * 64,
        "flavor_name": "m1.tiny",
    }


def item(ref: str = ID, **values: Any) -> dict[str, Any]:
    return {"host": "here", "kind": "guest", "ref": ref, "revision": 7, "spec": spec(ref), **values}


class Told(Link):
    """A link whose controller says `body`."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.body: dict[str, Any] = {}
        self.sent: list[Any] = []

    def _exchange(
        self, method: str, path: str, data: bytes | None, timeout_s: float, headers: Mapping[str, str]
    ) -> Answer:
        return Answer(200, {}, json.dumps(self.body).encode())


class Recorder:
    """Parts that write down what is asked of them."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.gone: list[str] = []
        self.asked: list[Job] = []

    def ensure(self, item: Item, spec: Any, world: Any) -> dict[str, Any]:
        self.made.append(item.ref)
        return {}

    def absent(self, item: Item, world: Any) -> None:
        self.gone.append(item.ref)

    def has(self, guest_id: str) -> bool:
        return True

    def strays(self, world: Any) -> list[Any]:
        return []

    def sweep(self, world: Any) -> list[Any]:
        return []

    def answer(self, job: Job) -> JobDone:
        self.asked.append(job)
        return JobDone(id=job.id, ok=True)

    def facts(self) -> list[HostFacts]:
        return []

    def start(self, observe: Any) -> None: ...

    def stop(self) -> None: ...


class Node:
    """An agent without threads."""

    def __init__(self, folder: Path | None = None) -> None:
        self.link, self.parts = Told(), Recorder()
        self.agent = Agent(self.link, self.parts, Journal(folder))

    def hear(self, items: list[Any], jobs: list[Any] = (), *, full: bool = False) -> None:  # type: ignore[assignment]
        self.link.body = {"revision": 9, "items": items, "jobs": list(jobs), "full": full}
        kinds = ("port", "guest")
        self.agent.take(self.link.changes(kinds, 0, 0), kinds)  # type: ignore[arg-type]
        for queue in (self.agent._shared, self.agent._guests, self.agent.questions.queue):
            queue.drain()

    @property
    def reports(self) -> dict[str, Report]:
        return {ref: report for (_, ref), report in self.agent.reporter._waiting.items()}

    @property
    def answers(self) -> list[JobDone]:
        return self.agent.reporter._answers


BAD_TEXTS = ("", "\n", "a\nb", "a\x00b", "../../etc", "/etc/passwd", "a b", "-rf", "$(x)", "％", "x" * 100_000)
BAD_IDS = (*BAD_TEXTS, ID.upper().replace("A", "G"), ID + "\n", " " + ID, ID.replace("-", ""), "٠" + ID[1:])
BAD_NUMBERS = (-1, 2**31, 2**63, 2**64, 10**30)
BAD_SIZES = (*BAD_NUMBERS, 1.5, "1", None, True, [])

HOSTILE: list[tuple[tuple[Any, ...], Any]] = [
    *((("id",), value) for value in (*BAD_IDS, OTHER, None, 5, [])),
    *((("name",), value) for value in (*BAD_TEXTS, "instance-0000000g", "instance-00000001\n", "instance-1", "virbr0")),
    *((("project_id",), value) for value in BAD_TEXTS if value),
    *((("user_id",), value) for value in BAD_TEXTS if value),
    (("display_name",), "x" * 256),
    (("flavor_name",), "x" * 256),
    *((("vcpus",), value) for value in (*BAD_SIZES, 0, 256)),
    *((("memory_mb",), value) for value in (*BAD_SIZES, 0, 2**25)),
    *(((size,), value) for size in ("root_gb", "ephemeral_gb", "swap_mb") for value in (*BAD_SIZES, 2**25)),
    *(((count,), value) for count in ("hard_reboots", "soft_reboots") for value in BAD_SIZES),
    *((("power",), value) for value in ("ON", "destroy", "", None, 1)),
    *((("image", "id"), value) for value in BAD_IDS),
    *((("image", part, "id"), value) for part in ("kernel", "ramdisk") for value in BAD_IDS),
    *((("image", "disk_format"), value) for value in (*BAD_TEXTS, "luks", "qed", "RAW", "raw\n", "host_device")),
    *((("image", "size"), value) for value in (-1, 2**47, 2**64, "1", None)),
    *((("image", "os_hash_value"), value) for value in (*BAD_TEXTS, SUM.upper(), SUM[:-1], SUM + "\n")),
    *((("image", "kernel", "os_hash_value"), value) for value in BAD_TEXTS),
    *((("image", "properties", "os_command_line"), value) for value in ("a\nb", "a\x00b", "x" * 2001)),
    (("image", "properties"), {str(number): "" for number in range(1001)}),
    (("image", "properties"), {"a": 5}),
    *((("interfaces", 0, "port_id"), value) for value in BAD_IDS),
    *((("interfaces", 0, "network_id"), value) for value in BAD_IDS),
    *(
        (("interfaces", 0, "mac"), value)
        for value in (*BAD_TEXTS, "00:00:00:00:00:00", "fa:16:3e:00:00:01\n", "fa163e000001", "FA:16:3E:00:00:01")
    ),
    *((("interfaces", 0, "mtu"), value) for value in (-1, 0, 67, 65_536, "1500")),
    *((("interfaces", 0, "security_groups"), value) for value in ([text] for text in BAD_IDS)),
    (("interfaces",), [{"port_id": PORT, "network_id": NETWORK, "mac": MAC}] * 2),
    (("interfaces",), [{}] * 500),
    *((("ports", 0, "port_id"), value) for value in BAD_IDS),
    *((("ports", 0, "network_id"), value) for value in BAD_IDS),
    *(
        (("ports", 0, "mac"), value)
        for value in (*BAD_TEXTS, "00:00:00:00:00:00", "fa:16:3e:00:00:01\n", "fa163e000001", "FA:16:3E:00:00:01")
    ),
    *((("ports", 0, "mtu"), value) for value in (-1, 0, 67, 65_536, "1500")),
    (("ports",), [{"port_id": PORT, "network_id": NETWORK, "mac": MAC}] * 2),
    (("ports",), [{}] * 500),
    *(
        (("config_drive",), {path: ""})
        for path in (
            *BAD_TEXTS,
            "a/../b",
            "a//b",
            "a/",
            "/a",
            ".",
            "..",
            "a/./b",
            ".hidden",
            "é",
            "a\\b",
            "a/" * 20 + "b",
        )
    ),
    (("config_drive",), {"a": "x" * (5 << 20)}),
    (("config_drive",), {f"f{number}": "x" * (3 << 20) for number in range(7)}),
    (("config_drive",), {f"f{number}": "" for number in range(300)}),
    (("config_drive",), {"a": "base64:****"}),
    (("config_drive",), {"a": "", "a/b": ""}),
    (("config_drive",), ["a"]),
]


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The good guest with another value at `path`."""
    made = copy.deepcopy(spec())
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_guest_reaches_no_part(number: int) -> None:
    """Finding S8: it becomes a failed report of that one item; what came beside it is made."""
    path, value = HOSTILE[number]
    node = Node()
    node.hear([item(), item(OTHER)])
    node.hear([item(revision=8, spec=changed(path, value)), item(OTHER, revision=8)])
    assert node.parts.made == [ID, OTHER, OTHER]
    report = node.reports[ID]
    assert (report.state, report.revision, report.error) == ("failed", 8, "The host does not take this request.")
    assert report.detail and len(report.detail) < 400
    assert node.reports[OTHER].state == "ready"
    assert node.agent._typed["guest", ID].name == "instance-00000001"  # what is there stays as it was


def test_good_guests_are_taken() -> None:
    node = Node()
    node.hear([item(), item(OTHER, spec=spec(OTHER) | {"image": None, "interfaces": [], "config_drive": None})])
    assert node.parts.made == [ID, OTHER]
    assert {report.state for report in node.reports.values()} == {"ready"}


texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=40) | st.sampled_from(BAD_IDS)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
PATHS = sorted({path for path, _ in HOSTILE}, key=repr)


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(PATHS), value=anything)
def test_what_passes_the_door_is_harmless(path: tuple[Any, ...], value: Any) -> None:
    """Finding S8: the parts' own checks take whatever the door lets in, so a path or a name that is none never gets to
    where a file is written or a domain defined."""
    node = Node()
    node.hear([item(spec=changed(path, value))])
    if not node.parts.made:
        assert node.reports[ID].state == "failed"
        return
    taken: Guest = node.agent._typed["guest", ID]
    domain.check(taken)
    for name in taken.config_drive or {}:
        assert not {"", ".", ".."} & set(name.split("/")) and name.isascii() and name.isprintable()
    for number in (taken.vcpus, taken.memory_mb, taken.root_gb, taken.swap_mb, taken.ephemeral_gb):
        assert 0 <= number <= 2**24


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(("host", "kind", "ref", "revision", "gone", "spec", "x")), anything, max_size=6))
def test_items_that_are_none(told: dict[str, Any]) -> None:
    """Finding S8: they are left out or refused, alone, and nothing of ours is taken for gone because of them."""
    node = Node()
    node.hear([item()])
    node.hear([told, item(OTHER)], full=True)
    assert OTHER in node.parts.made
    assert node.parts.gone in ([], [ID])
    if node.parts.gone:
        assert node.reports.keys() >= {OTHER}
    assert all(made in (ID, OTHER, told.get("ref")) for made in node.parts.made)


def test_a_list_with_something_unreadable_removes_nothing() -> None:
    """Finding S8: what cannot be read may be about what is here."""
    node = Node()
    node.hear([item()], full=True)
    node.hear([{"kind": "container", "ref": ID}], full=True)
    assert node.agent._unlisted == set()
    node.hear([], full=True)
    assert node.agent._unlisted == {("guest", ID)}
    assert node.parts.gone == [], "nor does a list that does not mention it: that is no word of it"


@pytest.mark.parametrize("ref", [*BAD_IDS[:8], ID + "\n"])
def test_a_removal_names_a_guest_by_its_id(ref: str) -> None:
    """Finding S8: never by a name, a path, or a pattern."""
    node = Node()
    node.hear([item(ref, gone=True, spec=None)])
    assert node.parts.gone == []
    node.hear([item(gone=True, spec={"id": 5})])
    assert node.parts.gone == [ID]


def test_specs_of_the_network_are_about_their_item() -> None:
    """Finding S8: the rest of them is looked at by the network's own parsers."""
    node = Node()
    for kind in ("network", "router", "security_group"):
        node.hear([{"host": "here", "kind": kind, "ref": ID, "revision": 1, "spec": {"id": OTHER}}])
        node.hear([{"host": "here", "kind": kind, "ref": "../x", "revision": 1, "spec": {"id": "../x"}}])
        node.hear([{"host": "a b", "kind": kind, "ref": ID, "revision": 1, "spec": {"id": ID}}])
        node.hear([{"host": "here", "kind": kind, "ref": ID, "revision": 1}])
        node.hear([{"host": "here", "kind": kind, "ref": ID, "revision": -1, "spec": {"id": ID}}])
    assert node.parts.made == []


def job(**values: Any) -> dict[str, Any]:
    return {"id": OTHER, "host": "here", "kind": "screenshot", "args": {"guest": ID}, **values}


@pytest.mark.parametrize(
    "wrong",
    [
        {"args": {}},
        {"args": {"guest": OTHER}},
        {"args": {"guest": ID, "path": "/etc/shadow"}},
        {"args": {"guest": f"{ID}\n"}},
        {"args": {"guest": ["x"]}},
        {"args": {"guest": ID, "length": "1"}},
        {"args": {"guest": ID, "length": -1}},
        {"args": {"guest": ID, "length": True}},
        {"args": {"guest": "../../x"}},
        {"id": "../x"},
    ],
    ids=str,
)
def test_a_question_is_about_a_guest_of_ours(wrong: dict[str, Any]) -> None:
    """Finding S19: a screenshot or statistics of any domain of the host could be asked for."""
    node = Node()
    node.hear([item()])
    node.hear([], [job(**wrong)])
    assert node.parts.asked == []
    (answer,) = node.answers
    assert not answer.ok and answer.result.isprintable()


def test_questions_of_ours_are_answered() -> None:
    node = Node()
    node.hear([item()])
    node.hear([], [job(), job(id=ID, kind="console_log", args={"guest": ID, "length": 10**12}), job(kind="shell")])
    assert [(asked.kind, asked.args["length"]) for asked in node.parts.asked] == [
        ("screenshot", None),
        ("console_log", checks._MOST_LINES),
    ]
    node.hear([item(revision=8, gone=True, spec=None)])
    node.hear([], [job()])
    assert len(node.parts.asked) == 2


def test_questions_do_not_pile_up() -> None:
    """Each was a thread of its own; who asks is a tenant."""
    node = Node()
    node.hear([item()])
    many = [job(id=f"0e000000-0000-4000-8000-{number:012}") for number in range(MOST_WAITING + 50)]
    node.hear([], many)
    busy = [answer for answer in node.answers if answer.result == "The host is busy; ask again."]
    assert len(node.parts.asked) == MOST_WAITING and len(busy) == 50


def test_the_journal_keeps_only_what_was_taken(tmp_path: Path) -> None:
    """Finding S19: a check, not an assertion, which an optimised Python leaves out."""
    node = Node(tmp_path)
    node.hear([item(), item("../../x"), item(OTHER, spec=changed(("name",), "x"))])
    assert [path.name for path in tmp_path.iterdir()] == [f"guest.{ID}.json"]
    with pytest.raises(ValueError, match="not a UUID"):
        Journal(tmp_path).keep(Item(host="", kind="guest", ref="../x", revision=1))
    (tmp_path / "guest.bad.json").write_text(json.dumps(item("../../x")))
    again = Node(tmp_path)
    again.agent.judge(None)
    for kept in again.agent.journal.load():
        again.agent._accept(kept)
    again.agent._guests.drain()
    assert again.parts.made == [ID]


def test_the_drives_own_check_is_there_as_well(tmp_path: Path) -> None:
    """The door is one place; where files are written is another."""
    for name in ("/etc/x", "../x", "a/../../x", ""):
        with pytest.raises(Exception, match=r"invalid name"):
            config_drive._write(tmp_path, name, "")
    made = msgspec.convert(changed(("config_drive",), {"../x": ""}), Guest)
    with pytest.raises(ValueError, match="config drive"):
        check_guest(made)
