"""How tests are dealt to workers: `./cumulet test` runs some side by side (`decisions/0046`)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import answers, databases, order, sockets, typed_rows

typed_rows.look_at_every_statement()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """What ``-n auto`` means; the variable PYTEST_XDIST_AUTO_NUM_WORKERS and ``-n N`` say otherwise."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return order.workers(order.files(config.args, config.invocation_params.dir), len(os.sched_getaffinity(0)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Whoever asks for another ``--dist`` gets it."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.dealing import Dealing

    config.option.loadscopereorder = False
    return Dealing(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In workers alone: who runs tests in one process gets them in the order of the files."""
    if hasattr(config, "workerinput"):
        items[:] = [items[place] for place in order.ordered([item.nodeid for item in items])]


def pytest_configure() -> None:
    answers.watch()
    sockets.watch()


@pytest.fixture(autouse=True)
def connects_to_this_machine_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that connects elsewhere; those marked `root`, and those inside, have networks of their own."""
    sockets.allow(request.node.get_closest_marker("root") is not None or "/inside/" in request.node.nodeid)
    yield
    assert sockets.refused() == []


@pytest.fixture(autouse=True)
def answers_fit_their_declarations() -> Iterator[None]:
    """Fails a test during which an operation answered what it does not declare."""
    yield
    assert answers.taken() == []


def pytest_unconfigure() -> None:
    databases.end()
