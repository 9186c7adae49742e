"""`cumulet policy`: the sample is complete and changes nothing, the check says who may do what and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cumulet.auth import Policies, Policy
from cumulet.auth.policy import SHARED
from cumulet.cli import policy
from cumulet.cli.controller import assemble, declared
from cumulet.cli.main import main


def fresh(file: Path) -> Policies:
    return Policies(file, {name: Policy(service.rules) for name, service in declared().items()})


def test_the_sample_has_every_rule_and_is_all_comments() -> None:
    lines = "\n".join(policy.sample_lines()).splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    rules = {rule.name for service in declared().values() for rule in service.rules} | {rule.name for rule in SHARED}
    assert len(rules) > 300
    assert rules == {line.lstrip("# ").split('"')[1] for line in lines if line.lstrip("# ").startswith('"')}


def test_the_sample_without_its_comment_signs_is_what_is_in_force_anyway(tmp_path: Path) -> None:
    lines = "\n".join(policy.sample_lines()).splitlines()
    text = "\n".join(line[1:] for line in lines if line.startswith(('#"', '#  "')) or line.endswith(":"))
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    assert yaml.safe_load(text)
    found, before = fresh(file), fresh(tmp_path / "none")
    assert found.load() == []
    before.load()
    for name, service in declared().items():
        for rule in service.rules:
            assert found.policies[name].texts[rule.name] == before.policies[name].texts[rule.name]


def test_every_rule_says_what_it_is_for() -> None:
    from cumulet.http.rules import described

    for service in declared().values():
        assert [d.rule.name for d in described(service) if not d.text.endswith(".") and not d.rule.description] == []


def test_who_may_do_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", "get_images", "--state", str(tmp_path)]) == 0
    header, row = capsys.readouterr().out.splitlines()[-2:]
    assert header.split()[:3] == ["reader", "member", "manager"]
    assert row.split() == ["get_images", "own", "own", "own", "own", "-", "-", "-", "-", "-", "-", "any"]
    assert main(["policy", "check", "--state", str(tmp_path), "get_images"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [header, row]
    (tmp_path / "policy.yaml").write_text('"cloud_admin": "role:admin"')
    assert main(["policy", "check", "get_images", "--state", str(tmp_path)]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.split() == ["get_images", "own", "own", "own", "any", "-", "-", "-", "-", "-", "-", "any"]
    (tmp_path / "policy.yaml").write_text('"get_images": "role:admin"\nmispelt: "@"\n')
    assert main(["policy", "check", "get_images", "--state", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "no service has a rule mispelt" in out
    assert out.splitlines()[-1].split() == ["get_images", *"--------", "any", "-", "any"]


def test_a_faulty_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text('"get_images": "("\n')
    assert main(["policy", "check", "--state", str(tmp_path)]) == 1
    assert "policy.yaml: policy rule get_images: cannot be parsed" in capsys.readouterr().err


def test_a_faulty_file_stops_the_controller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cumulet.cli import controller, state_folder
    from cumulet.config import Settings

    state_folder.create(tmp_path / "state")
    state_folder.furnish(tmp_path / "state", None, node_too=True)
    settings = Settings.resolve(tmp_path / "state", {"simulated": 1, "port_base": 30000}, {})
    (tmp_path / "state" / "policy.yaml").write_text('"get_images": "("\n')
    assert controller.run(settings) == 2
    assert "cannot be parsed" in capsys.readouterr().err
    (tmp_path / "state" / "policy.yaml").write_text('"get_images": "!"\n')
    assert assemble(settings).policies.policies["image"].texts["get_images"] == "!"
