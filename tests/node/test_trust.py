"""Whose word a node takes, what it remembers when files are damaged, and what guests are answered meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cumulet.desired.addresses import Address
from cumulet.desired.clouds import Cloud, Seen
from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.port import Interface
from cumulet.node import remembered, trust
from cumulet.node.journal import Entry, Journal, entry
from cumulet.node.net.metadata import ProxyRequest
from cumulet.node.within import Within

ID, OTHER, NETWORK = (f"{number:08x}-0000-4000-8000-000000000000" for number in (1, 2, 3))
OURS = Cloud(id=ID, epoch=3, run="ab")
SEEN = Seen(cloud_id=ID, epoch=3, revision=9, run="ab")


@pytest.mark.parametrize(
    ("cloud", "seen", "word"),
    [
        (OURS, SEEN, None),
        (OURS, None, None),
        (None, None, None),
        (Cloud(id=ID, epoch=4, run="cd", knows=True), SEEN, None),
        (None, SEEN, "does not say whose"),
        (Cloud(id=OTHER, epoch=3), SEEN, f"cloud {OTHER}"),
        (Cloud(id=ID, epoch=2), SEEN, "epoch 2"),
        (Cloud(id=ID, epoch=3, knows=False), SEEN, "revision 9"),
        (Cloud(id=ID, epoch=3, knows=False), None, "does not stand by"),
        (Cloud(id=ID, epoch=3 + trust.MOST_EPOCHS + 1), SEEN, "cannot be"),
        (Cloud(id=ID, epoch=2**40), None, "cannot be"),
        (Cloud(id=ID, epoch=0), None, "cannot be"),
        (Cloud(id="../x", epoch=3), None, "cannot be"),
        (Cloud(id=ID, epoch=3, run="a b\n"), SEEN, "cannot be"),
    ],
)
def test_whose_word_is_taken(cloud: Cloud | None, seen: Seen | None, word: str | None) -> None:
    why = trust.why_not(cloud, seen)
    assert why is None if word is None else word in (why or "")


def item(ref: str = ID, revision: int = 1) -> Entry:
    return entry(Item(host="h", kind="network", ref=ref, revision=revision, spec={"id": ref}), OURS)


def test_the_newest_that_was_seen_outlives_either_file(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    journal.keep(item(revision=7))
    journal.saw(OURS, 9)
    journal.saw(OURS, 8)
    assert Journal(folder).seen == SEEN
    (tmp_path / "cloud.json").write_bytes(b'{"cloud_id":')
    again = Journal(folder)
    assert again.seen == Seen(cloud_id=ID, epoch=3, revision=7, run="ab")
    assert (folder / "damaged" / "cloud.json").exists()
    again.saw(Cloud(id=ID, epoch=3, run="ab"), 5)
    assert again.seen is not None and again.seen.revision == 7, "an older word does not make it forget"


def test_what_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.keep(item(ID))
    journal.keep(item(OTHER))
    file = tmp_path / f"network.{OTHER}.json"
    file.write_bytes(file.read_bytes()[:20])
    assert [each.ref for each in Journal(tmp_path).load()] == [ID]
    assert (tmp_path / "damaged" / file.name).read_bytes()


def test_a_file_of_before_has_an_item_and_no_cloud(tmp_path: Path) -> None:
    text = {"host": "h", "kind": "network", "ref": ID, "revision": 500, "spec": {"id": ID}}
    (tmp_path / f"network.{ID}.json").write_text(json.dumps(text))
    journal = Journal(tmp_path)
    (found,) = journal.load()
    assert (found.age, found.cloud_id, journal.seen) == ((0, 500), "", None)
    assert item(revision=1).age > found.age, "a word of today is newer"


def test_files_of_two_clouds_are_a_dispute(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    Journal(folder).keep(item())
    (tmp_path / "cloud.json").write_text(json.dumps({"cloud_id": OTHER, "epoch": 1, "revision": 1}))
    assert OTHER in (Journal(folder).disputed or "")
    (tmp_path / "cloud.json").unlink()
    assert Journal(folder).disputed is None


# ---- guests' questions


DRIVE = {
    "openstack/latest/meta_data.json": '{"uuid": "x"}',
    "openstack/latest/user_data": "base64:/wA=",
    "ec2/latest/meta-data.json": '{"instance-id": "i-1", "placement": {"availability-zone": "nova"}}',
    "ec2/latest/user-data": "#!",
}


def world(*drives: dict[str, str] | None) -> Any:
    port = Interface(
        port_id=ID, network_id=NETWORK, mac="fa:16:3e:00:00:01",
        addresses=[Address(ip="10.0.0.5", subnet_id=ID, prefix=24)],
    )  # fmt: skip
    guests = {
        str(number): Guest(
            id=ID, name="instance-1", display_name="g", vcpus=1, memory_mb=64, root_gb=1, config_drive=drive,
            interfaces=[port],
        )
        for number, drive in enumerate(drives)
    }  # fmt: skip
    made = Within()
    specs = {"guest": {ref: made.taken_out(ref, guest) for ref, guest in guests.items()}, "port": made.every()}
    return SimpleNamespace(specs=specs.__getitem__)


def ask(path: str, where: Any, method: str = "GET", network: str = NETWORK, source: str = "10.0.0.5") -> Any:
    reply = remembered.answer(ProxyRequest(method, path, {}, b"", source, network), where)
    return None if reply is None else reply.body


def test_guests_are_answered_from_their_drive() -> None:
    here = world(DRIVE)
    assert ask("/openstack/latest/meta_data.json", here) == b'{"uuid": "x"}'
    assert ask("/openstack/latest/user_data", here) == b"\xff\x00"
    assert ask("/latest/user-data", here) == b"#!"
    assert ask("/2009-04-04/meta-data/instance-id", here) == b"i-1"
    assert ask("/latest/meta-data/", here) == b"instance-id\nplacement/"
    assert ask("/latest/meta-data/placement/availability-zone", here) == b"nova"


@pytest.mark.parametrize(
    ("path", "where", "more"),
    [
        ("/openstack/latest/meta_data.json", world(None), {}),
        ("/openstack/latest/meta_data.json", world(DRIVE, DRIVE), {}),
        ("/openstack/latest/meta_data.json", world(DRIVE), {"network": OTHER}),
        ("/openstack/latest/meta_data.json", world(DRIVE), {"source": "10.0.0.6"}),
        ("/openstack/latest/password", world(DRIVE), {"method": "POST"}),
        ("/ec2/latest/meta-data.json", world(DRIVE), {}),
        ("/1.0/meta-data/instance-id", world(DRIVE), {}),
        ("/latest/meta-data/nothing", world(DRIVE), {}),
    ],
)
def test_nothing_is_made_up(path: str, where: Any, more: dict[str, str]) -> None:
    assert ask(path, where, **more) is None
