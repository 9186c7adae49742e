"""Whose login is next (finding S10): by order and counts; what hashes is a gate that the test opens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from cumulet.auth import Caller
from cumulet.http.faults import Unavailable
from cumulet.services.identity.api.turns import source_of
from cumulet.services.identity.model import turns
from cumulet.services.identity.model.brakes import Brake
from cumulet.services.identity.model.turns import Job, Turns


class Gate:
    """Jobs in front of one thread, which the first one holds until `open`."""

    def __init__(self, most: int = 100) -> None:
        self.turns = Turns(1, most)
        self.order: list[str] = []
        self.jobs: list[Job] = []
        self._held, self._open = threading.Event(), threading.Event()
        self.close()

    def close(self) -> None:
        """Let whoever comes wait."""
        self._held.clear()
        self._open.clear()
        self.turns.offer(Job("the first", 0, self._hold))
        assert self._held.wait(10)

    def _hold(self) -> None:
        self._held.set()
        assert self._open.wait(10)

    def offer(self, name: str, source: str, account: int = 0, *, right: bool = False, known: bool = False) -> Job:
        """A login that is wrong unless `right`."""

        def work() -> str:
            self.order.append(name)
            if not right:
                raise PermissionError(name)
            return name

        job = self.turns.offer(Job(source, account, work, known=known))
        self.jobs.append(job)
        return job

    def served(self) -> list[str]:
        """Names in the order in which they had their turn."""
        self._open.set()
        for job in self.jobs:
            if not job.future.cancelled():
                job.future.exception(10)
        return self.order

    def prove(self, *pairs: tuple[str, int]) -> None:
        """Right logins of these sources and accounts, long ago."""
        for source, account in pairs:
            self.offer("", source, account, right=True)
        self.served()
        self.jobs.clear()
        self.order.clear()
        self.close()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def failed(future: Future[Any]) -> Any:
    return future.exception(10)


def test_sources_take_turns(gate: Gate) -> None:
    for number in range(5):
        gate.offer(f"a{number}", "192.0.2.1")
    gate.offer("b0", "192.0.2.2")
    gate.offer("b1", "192.0.2.2")
    gate.offer("c0", "192.0.2.3")
    assert gate.served() == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_who_has_had_no_turn_yet_is_next(gate: Gate) -> None:
    """Who comes while others hammer waits for what runs, and for nobody else."""
    first = gate.turns.offer(Job("192.0.2.1", 0, lambda: gate.offer("newcomer", "192.0.2.2")))
    for number in range(3):
        gate.offer(f"a{number}", "192.0.2.1")
    gate._open.set()
    first.future.result(10)
    assert gate.served() == ["newcomer", "a0", "a1", "a2"]


def test_accounts_of_one_source_take_turns(gate: Gate) -> None:
    """Behind a load balancer that hides addresses, a hammered account does not hold up the others."""
    for number in range(4):
        gate.offer(f"hammered{number}", "192.0.2.1", 1)
    gate.offer("other", "192.0.2.1", 2)
    assert gate.served() == ["hammered0", "other", "hammered1", "hammered2", "hammered3"]


def test_every_second_turn_is_of_those_who_have_proven_themselves(gate: Gate) -> None:
    """However many addresses strangers have."""
    gate.prove(("192.0.2.200", 7), ("192.0.2.201", 7))
    for number in range(8):
        gate.offer(f"stranger{number}", f"192.0.2.{number}")
    gate.offer("known", "192.0.2.200", 7, right=True)
    gate.offer("known too", "192.0.2.201", 7, right=True)
    gate.offer("another account", "192.0.2.200", 8)
    served = gate.served()
    assert served.index("known") <= 2 and served.index("known too") <= 4
    assert served.index("another account") > 6


def test_a_caller_with_a_token_is_known(gate: Gate) -> None:
    for number in range(8):
        gate.offer(f"stranger{number}", f"192.0.2.{number}")
    gate.offer("caller", "user 1", known=True)
    assert gate.served().index("caller") <= 1


def test_threads_are_left_however_many_strangers_come() -> None:
    """Of four at once one may be a stranger's; who is known begins at once, and nobody is forgotten."""
    found = Turns(4, 100, strangers_at_once=1)
    opened = threading.Event()
    running: list[str] = []

    def work(name: str) -> Callable[[], None]:
        def held() -> None:
            running.append(name)
            assert opened.wait(10)

        return held

    jobs = [found.offer(Job(f"192.0.2.{number}", 0, work("stranger"))) for number in range(6)]
    jobs += [found.offer(Job(f"user {number}", 0, work("known"), known=True)) for number in range(5)]
    assert [job.waits for job in jobs] == [False, *[True] * 5, False, False, False, True, True]
    while len(running) < 4:
        threading.Event().wait(0.001)
    assert sorted(running) == ["known", "known", "known", "stranger"]
    opened.set()
    for job in jobs:
        job.future.result(10)
    assert found.waiting == 0


def test_a_core_is_left_however_many_strangers_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash of strangers at a time on two cores; who is known waits for none of them."""
    monkeypatch.setattr(turns, "_strangers", threading.BoundedSemaphore(1))
    found = Turns(8, 100, strangers_at_once=4)
    opened, asked = threading.Event(), threading.Semaphore(0)
    hashing: list[str] = []

    def work(name: str) -> Callable[[], None]:
        def held() -> None:
            asked.release()
            with turns.hashing():
                hashing.append(name)
                assert opened.wait(10)

        return held

    jobs = [found.offer(Job(f"192.0.2.{number}", 0, work("stranger"))) for number in range(4)]
    jobs += [found.offer(Job(f"user {number}", 0, work("known"), known=True)) for number in range(2)]
    for _ in jobs:
        assert asked.acquire(timeout=10)
    while len(hashing) < 3:
        threading.Event().wait(0.001)
    assert sorted(hashing) == ["known", "known", "stranger"]
    opened.set()
    for job in jobs:
        job.future.result(10)


def test_a_full_queue_refuses(gate: Gate) -> None:
    gate = Gate(3)
    for _ in range(3):
        gate.offer("a", "192.0.2.1")
    with pytest.raises(Unavailable) as refused:
        gate.offer("a", "192.0.2.1")
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": str(turns.RETRY_S)})
    assert gate.turns.waiting == 3
    assert gate.served() == ["a"] * 3
    assert gate.turns.waiting == 0


def test_a_full_queue_makes_room_for_who_waits_for_less() -> None:
    gate = Gate(4)
    jobs = [gate.offer(f"a{number}", "192.0.2.1") for number in range(4)]
    gate.offer("b", "192.0.2.2")
    assert isinstance(failed(jobs[3].future), Unavailable), "the newest of the source that waits for most"
    gate.offer("c", "192.0.2.3")
    assert isinstance(failed(jobs[2].future), Unavailable)
    with pytest.raises(Unavailable):
        gate.offer("b", "192.0.2.2")  # as many as the others have
    assert gate.served() == ["a0", "b", "c", "a1"]


def test_a_full_queue_makes_room_for_another_account_of_the_source() -> None:
    gate = Gate(4)
    jobs = [gate.offer(f"a{number}", "192.0.2.1", 1) for number in range(4)]
    gate.offer("b", "192.0.2.1", 2)
    assert isinstance(failed(jobs[3].future), Unavailable)
    assert gate.served() == ["a0", "b", "a1", "a2"]


def test_strangers_cannot_fill_the_queue_for_who_is_known() -> None:
    gate = Gate(4)
    gate.prove(("192.0.2.200", 7))
    strangers = [gate.offer(f"s{number}", f"192.0.2.{number}", number) for number in range(4)]
    known = [gate.offer(f"known{number}", "192.0.2.200", 7) for number in range(2)]
    refused = [job for job in strangers if job.future.done()]
    assert len(refused) == 2 and not any(job.future.done() for job in known)
    with pytest.raises(Unavailable):
        gate.offer("known2", "192.0.2.200", 7)  # nor can who is known take it all
    gate.served()


def test_who_has_a_token_cannot_fill_the_queue_for_others_who_have() -> None:
    gate = Gate(4)
    flood = [gate.offer(f"a{number}", "user 1", known=True) for number in range(4)]
    gate.offer("b", "user 2", known=True)
    assert isinstance(failed(flood[3].future), Unavailable)
    with pytest.raises(Unavailable):
        gate.offer("a4", "user 1", known=True)
    assert gate.served() == ["a0", "b", "a1", "a2"]


def test_who_is_known_cannot_fill_the_queue_for_strangers() -> None:
    """Whoever comes for the first time, or after a restart, is one: half of the queue is theirs."""
    gate = Gate(4)
    flood = [gate.offer(f"a{number}", "user 1", known=True) for number in range(4)]
    for number in range(2):
        gate.offer(f"stranger{number}", f"192.0.2.{number}")
        assert isinstance(failed(flood[3 - number].future), Unavailable)
    with pytest.raises(Unavailable):
        gate.offer("stranger2", "192.0.2.9")  # nor can strangers take it all
    with pytest.raises(Unavailable):
        gate.offer("a4", "user 1", known=True)
    assert gate.served() == ["a0", "stranger0", "a1", "stranger1"]


def test_the_users_of_a_domain_share_its_turns() -> None:
    """Its manager makes as many as he likes; in the first domain only the cloud's administrators do."""

    def user(name: str, domain_id: str) -> Caller:
        return Caller(name, name, domain_id)

    assert source_of(user("a", "d" * 32)) == source_of(user("b", "d" * 32)) != source_of(user("c", "e" * 32))
    assert source_of(user("a", "default")) != source_of(user("b", "default"))


def test_what_nobody_waits_for_is_never_done(gate: Gate) -> None:
    kept, left = gate.offer("kept", "192.0.2.1"), gate.offer("left", "192.0.2.2")
    assert gate.turns.withdraw(left) and not gate.turns.withdraw(left)
    assert gate.turns.waiting == 1
    gate.jobs.remove(left)
    assert gate.served() == ["kept"]
    assert not gate.turns.withdraw(kept), "what runs, or ran, has no place to give up"


def test_a_future_that_was_cancelled_ends_no_thread(gate: Gate) -> None:
    gate.offer("a", "192.0.2.1").future.cancel()
    gate.offer("b", "192.0.2.1")
    assert gate.served() == ["b"]


def test_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "REMEMBERED", 10)
    found = Turns(1, 100)
    for number in range(100):
        found.offer(Job(f"192.0.2.{number}", number, lambda: None)).future.result(10)
    assert max(len(found._served), len(found._proven)) <= 10
    assert not found._waiting and found._count == found._known == 0


def test_every_job_has_an_end_however_they_mix() -> None:
    """Each is done, refused or withdrawn, once; afterwards nothing waits."""
    gate = Gate(8)
    ends: dict[str, int] = {"done": 0, "refused": 0, "withdrawn": 0}
    jobs = []
    for number in range(200):
        try:
            jobs.append(gate.offer(str(number), f"192.0.2.{number % 7}", number % 3, known=number % 11 == 0))
        except Unavailable:
            ends["refused"] += 1
        if number % 13 == 0 and jobs and gate.turns.withdraw(jobs[-1]):
            ends["withdrawn"] += 1
            gate.jobs.remove(jobs.pop())
    ends["done"] = len(gate.served())
    ends["refused"] += sum(isinstance(failed(job.future), Unavailable) for job in jobs)
    assert sum(ends.values()) == 200 and all(ends.values())
    assert gate.turns.waiting == 0 and not gate.turns._waiting


def counted(tries: Callable[[], bool], times: int) -> int:
    return sum(tries() for _ in range(times))


def test_a_brake() -> None:
    brake, now = Brake(burst=3, step_s=30), 1000.0

    def tries(key: str = "a") -> bool:
        if brake.holds(key, now):
            return False
        brake.wrong(key, now)
        return True

    assert counted(tries, 50) == 3
    assert not brake.holds("b", now), "of one user alone"
    now += 29
    assert counted(tries, 50) == 0
    now += 1
    assert counted(tries, 50) == 1
    now += 3600
    assert counted(tries, 50) == 3, "it gives back no more than there was"
    now -= 1800
    assert counted(tries, 50) == 0, "a clock that goes back gives nothing"
    brake.right("a")
    assert counted(tries, 50) == 3
