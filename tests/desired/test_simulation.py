"""The words of a simulation: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import re
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cumulet.desired.guest import Guest
from cumulet.desired.simulation import Deed, Deeds, Rule, SimulationError, deeds, fits, merged, of_metadata, order
from cumulet.node import simulation
from cumulet.node.simulation import Behaviour, Script, Simulation


def guest(number: int, name: str = "web", **simulated: str) -> Guest:
    known: dict[str, Any] = {"vcpus": 1, "memory_mb": 64, "root_gb": 1}
    return Guest(id=str(number), name=f"instance-{number:08x}", display_name=name, simulated=simulated, **known)


def test_behaviours() -> None:
    assert deeds(["boot=2s,fail", "stop=300ms", "delete=30%", "start=never", "crash=1m", "power-off=0.5"]) == Deeds(
        boot=Deed(seconds=2, fail=1),
        stop=Deed(seconds=0.3),
        delete=Deed(fail=0.3),
        start=Deed(never=True),
        crash=60,
        power_off=0.5,
    )
    assert of_metadata({"cumulet:boot": "fail", "colour": "red"}) == {"boot": "fail"}


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("bot=fail", "there is no behaviour bot; did you mean boot?"),
        ("boot=fial", "boot=fial cannot be understood; did you mean boot=fail?"),
        ("boot", "boot needs a value, such as boot=fail"),
        ("crash=fail", "crash=fail cannot be understood; it is a time such as 2s or 300ms"),
        ("boot=101%", "boot=101% cannot be understood; it is fail, never, a rate such as 30%, or a time"),
        ("boot=25h", "boot=25h cannot be understood; it is fail, never, a rate such as 30%, or a time"),
        ("boot=2000m", "boot=2000m is longer than a day"),
    ],
)
def test_what_means_nothing_is_said(word: str, sentence: str) -> None:
    with pytest.raises(SimulationError) as told:
        deeds([word])
    assert str(told.value).startswith(sentence)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ([], "an order is a JSON object"),
        ({"rul": {}}, "an order has no rul; did you mean rule?"),
        ({"rule": {"do": ["boot=fail"], "mach_name": "x"}}, "rule has no mach_name; did you mean match_name?"),
        ({"rule": {"do": []}}, "a rule says what is to be done, such as boot=fail"),
        ({"rule": {"do": ["boot=fail"], "nth": 0}}, "nth is from 1 to 10000, not 0"),
        ({"rule": {"do": ["boot=fail"], "nth": 1, "times": 1}}, "a rule is for the nth guest, or for the first times"),
        ({"host": {"name": "sim-0001", "state": "dead"}}, "host cannot be understood"),
        ({"clear": True, "host": {"name": "x", "state": "up"}}, "one thing at a time, not host and clear"),
    ],
)
def test_orders_that_cannot_be_meant(raw: object, sentence: str) -> None:
    with pytest.raises(SimulationError) as told:
        order(raw)
    assert sentence in str(told.value)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_patterns_are_those_of_a_shell(pattern: str, text: str) -> None:
    assert fits(pattern, text) == fnmatchcase(text, pattern)


def test_no_pattern_takes_long() -> None:
    begun = time.process_time()
    assert not fits("*a" * 127 + "b", "a" * 255)
    assert time.process_time() - begun < 1


def test_the_most_particular_counts() -> None:
    found = Simulation(Script(boot_s=1, stop_s=2, hosts={"h2": Behaviour(boot_s=3)}), None)
    assert found.deeds(guest(1), "h1").boot == Deed(seconds=1)
    assert (found.deeds(guest(1), "h2").boot, found.deeds(guest(1), "h2").stop) == (Deed(seconds=3), Deed(seconds=2))
    found.add(Rule(do=["boot=4s"]), [])
    found.add(Rule(do=["boot=5s"], match_name="w*"), [])
    assert found.deeds(guest(1), "h2").boot == Deed(seconds=5)
    assert found.deeds(guest(1, "db"), "h2").boot == Deed(seconds=4)
    assert found.deeds(guest(1, boot="6s"), "h2").boot == Deed(seconds=6)
    assert merged([]) == Deeds()


def test_rules_count_in_the_order_of_the_servers_whatever_the_order_of_the_work(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "simulation.json"
    found = Simulation(Script(), file)
    found.add(Rule(do=["boot=fail"], match_name="web*", nth=3), [guest(7)])
    came = [guest(8), guest(9, "db"), guest(10), guest(11), guest(12)]
    for each in reversed(came):
        found.meet(each, lambda: came)
    again = Simulation(Script(), file)
    again.meet(guest(5), list)
    for each in (guest(7), *came):
        assert (again.deeds(each, "h").boot == Deed(fail=1)) == (each.name == guest(11).name)


def test_chance_follows_seed_number_and_name() -> None:
    def drawn(seed: int, name: str = "web") -> list[bool]:
        found = Simulation(Script(seed=seed), None)
        return [found.fails(0.5, "boot", number, name, 1) for number in range(64)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, "db")
    assert 16 < sum(drawn(1)) < 48


def test_the_start_state(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Finding B13: the option's seed counts unless the file names one, and a host inherits what is said of all."""
    assert simulation.load(tmp_path, 5).seed == 5
    file = tmp_path / "simulated.json"
    file.write_text('{"boot_s": 1, "hosts": {"sim-0001": {"fail_boot": 1}}}')
    script = simulation.load(tmp_path, 5)
    assert script.seed == 5
    assert Simulation(script, None).deeds(guest(1), "sim-0001").boot == Deed(seconds=1, fail=1)
    file.write_text('{"seed": 7}')
    assert simulation.load(tmp_path, 5).seed == 7
    for text, sentence in (
        ('{"fail_bot": 1}', "no setting fail_bot; did you mean fail_boot?"),
        ('{"hosts": {"sim-0001": {"bot_s": 1}}}', "no setting bot_s; did you mean boot_s?"),
        ('{"fail_boot": 7}', "Expected `float` <= 1.0 - at `$.fail_boot`"),
        ('{"hosts": {"sim-0001": {"boot_s": -1}}}', "Expected `float` >= 0.0"),
        ("[]", "it holds a JSON object"),
        ("{", "Input data was truncated"),
    ):
        file.write_text(text)
        with pytest.raises(SimulationError, match=re.escape(sentence)) as told:
            simulation.load(tmp_path, 5)
        assert str(file) in str(told.value)
