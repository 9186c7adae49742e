"""Fixtures for pytest, there as soon as Cumulet is installed.

``cumulet_cloud`` is one simulated cloud for all tests of a process (with xdist: one for each worker). ``cumulet`` is
the same for one test, reset before it: each test finds the cloud as it was after its start. When a test that uses
either of them fails, what the cloud logged meanwhile stands in its report.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from cumulet import testing

_MOST_LETTERS = 100_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--cumulet-hosts``, and ``cumulet_hosts`` in the configuration file."""
    help_ = "simulated hosts of the cloud for tests (default 3)"
    parser.getgroup("cumulet").addoption("--cumulet-hosts", type=int, help=help_)
    parser.addini("cumulet_hosts", help_, default="3")


@pytest.fixture(scope="session")
def cumulet_cloud(pytestconfig: pytest.Config) -> Iterator[testing.Cloud]:
    """A simulated cloud."""
    hosts = pytestconfig.getoption("--cumulet-hosts") or int(str(pytestconfig.getini("cumulet_hosts")))
    with testing.cloud(hosts=hosts) as made:
        yield made


@pytest.fixture
def cumulet(cumulet_cloud: testing.Cloud) -> testing.Cloud:
    """The cloud, as it was after its start."""
    cumulet_cloud.reset()
    cumulet_cloud.mark()
    return cumulet_cloud


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the cloud's log to the report of a test that failed."""
    report = yield
    found = getattr(item, "funcargs", {}).get("cumulet_cloud")
    if isinstance(found, testing.Cloud) and report.failed:
        report.sections.append(("the cloud's log", found.log()[-_MOST_LETTERS:]))
    return report
