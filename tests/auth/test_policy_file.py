"""The operator's file: what it changes, what is wrong with it, and that it is read again while the cloud runs."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

import pytest

from cumulet.auth import Caller, Policies, Policy, PolicyError, Rule

READER = Caller("u", "u", "default", roles=("reader",), project_id="p")


def policies(file: Path) -> Policies:
    image = Policy([Rule("get_images", "role:reader"), Rule("owner", "project_id:%(project_id)s")])
    network = Policy([Rule("get_network", "role:reader"), Rule("owner", "project_id:%(project_id)s")])
    return Policies(file, {"image": image, "network": network})


def allowed(found: Policies) -> list[bool]:
    names = (("image", "get_images"), ("image", "owner"), ("network", "get_network"), ("network", "owner"))
    return [found.policies[service].allows(rule, READER) for service, rule in names]


def test_without_a_file_the_defaults_are_in_force(tmp_path: Path) -> None:
    found = policies(tmp_path / "policy.yaml")
    assert found.load() == []
    assert allowed(found) == [True] * 4


def test_a_rule_for_all_and_for_one_service(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"get_network": "rule:mine"\n"owner": "!"\nimage:\n  owner: "@"\nmine: "role:admin"\n')
    found = policies(file)
    assert found.load() == []
    assert allowed(found) == [True, True, False, False]


def test_names_that_nobody_has_are_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"get_imagess": "role:reader"\n"get_images": "rule:nobody"\n')
    assert [warning.partition(": ")[2] for warning in policies(file).load()] == [
        "no service has a rule get_imagess; did you mean get_images?",
        "a rule refers to nobody, which there is not: it allows nobody",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"get_images": "role:reader or ("', "get_images: cannot be parsed"),
        ('"get_images": 7', "get_images: a rule is a text"),
        ('"get_images":', "get_images: a rule is a text"),
        ('"get_images": [["role:reader"]]', "get_images: a rule is a text"),
        ("- get_images", "expected a mapping"),
        ('"get_images": "role:reader', "is not YAML"),
        ("!!python/object/apply:os.system [id]", "is not YAML"),
        ('imagery:\n  get_images: "@"', "there is no service imagery; services: image, network"),
        ('a: "rule:b"\nb: "rule:a"', "refers to itself"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_faulty_file_changes_nothing(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"get_network": "!"\n')
    found = policies(file)
    found.load()
    file.write_text('"get_network": "@"\n' + text + "\n" if ":" in text else text)
    with pytest.raises(PolicyError, match=r"policy\.yaml") as caught:
        found.load()
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert allowed(found) == [True, True, False, True]


def test_the_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "policy.yaml"
    found = policies(file)
    found.load()
    assert found.refresh() is False
    over = threading.Event()
    watcher = threading.Thread(target=found.watch, args=(over,), daemon=True)
    watcher.start()

    def written(text: str, wanted: bool) -> None:
        draft = tmp_path / "draft"
        draft.write_text(text)
        os.replace(draft, file)
        for _ in range(100):
            if allowed(found)[0] is wanted:
                return
            time.sleep(0.1)
        raise AssertionError(f"not in force: {text}")

    with caplog.at_level(logging.INFO, "cumulet.policy"):
        written('"get_images": "role:admin"\n', False)
        written('"get_images": "role:reader"\n', True)
        file.write_text('"get_images": "("\n')
        for _ in range(100):
            if "the rules before stay in force" in caplog.text:
                break
            time.sleep(0.1)
        assert "cannot be parsed" in caplog.text
        assert allowed(found)[0] is True
        file.unlink()
        written('"get_images": "!"\n', False)
    over.set()
    watcher.join(5)
