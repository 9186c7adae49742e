"""The agent: compare what is wanted with what is there, converge, report. The same for real and simulated hosts.

It never decides what shall be; it refuses the past (an item older than the one it has) and what `checks` does not take;
it can be killed at any instant, because everything it does is done again from the full answer after a start.

Deleting is an act: a thing goes when the controller says so of it, never because an answer does not mention it. While a
controller's word is not taken (``trust.py``) the node *holds*: it goes on with its journal, and ends nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Literal

import msgspec

from cumulet.desired import formats, simulation, texts
from cumulet.desired.clouds import Cloud
from cumulet.desired.items import Changes, Item, Report
from cumulet.desired.keeping import Kept
from cumulet.desired.kinds import Kind
from cumulet.node import checks, keeper, trust
from cumulet.node.journal import Entry, Journal, entry
from cumulet.node.keeper import Keeper
from cumulet.node.link import Link, LinkError
from cumulet.node.parts import SPECS, NotYet, PartError, Parts
from cumulet.node.questions import Questions
from cumulet.node.reporter import Reporter
from cumulet.node.within import Within
from cumulet.node.work import WorkQueue

log = logging.getLogger("cumulet.node")

Key = tuple[Kind, str]
STREAMS: tuple[tuple[Kind, ...], ...] = (("network", "security_group", "router"), ("port", "guest"))
WAIT_S = 25.0
SHARED_PAUSE_S = 0.15
"""Between two answers about what many guests share: a burst of changes becomes one."""
SWEEP_S = 30.0
MOST_REASONS = 20
"""Of what is left out of one item, that many are said."""
HEARTBEAT_S = 10.0
HOLD_S = 2.0
"""Between two looks at a controller whose word is not taken: is it the right one again?"""
UNTRUSTED_S = 1.0
"""After that long an act that needs a controller whose word is taken is tried again."""


class Agent:
    """Converges the hosts of one link with `parts`."""

    def __init__(
        self,
        link: Link,
        parts: Parts,
        journal: Journal,
        *,
        rejoin: Callable[[], None] = lambda: None,
        threads: int = 4,
        strange_s: float = 3600.0,
    ) -> None:
        self._rejoin = rejoin
        self.link, self.parts, self.journal = link, parts, journal
        self.reporter = Reporter(link)
        self.keeper = Keeper(link, strange_s)
        link.seen = lambda: journal.seen
        self.hold: str | None = None
        self._trusted = False
        self._cloud: Cloud | None = None
        self._look = threading.Event()
        self._unlisted: set[Key] = set()
        self._fresh: set[Key] = set()
        self._lock = threading.Lock()
        self._items: dict[Key, Entry] = {}
        self._typed: dict[Key, Any] = {}
        self._within = Within()
        self._refused: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._said: dict[Key, Report] = {}
        self._heard: set[str] = set()
        self._stop = threading.Event()
        self._shared: WorkQueue[Key] = WorkQueue(self._converge, 2, "shared")
        self._guests: WorkQueue[Key] = WorkQueue(self._converge, threads, "guest")
        self.questions = Questions(parts, self.reporter, self, self._ordered)
        self._unready: set[Key] = set()
        self._told: dict[str, Any] = {}

    # ---- World: what parts may look up -------------------------------------------------------------------------

    def spec(self, kind: Kind, ref: str) -> Any:
        """The typed spec of a wanted item, or None."""
        with self._lock:
            found = self._typed.get((kind, ref))
            return self._within.get(ref) if found is None and kind == "port" else found

    def specs(self, kind: Kind) -> Mapping[str, Any]:
        """All wanted items of a kind, by ref."""
        with self._lock:
            found = {ref: spec for (k, ref), spec in self._typed.items() if k == kind and spec is not None}
            return {**self._within.every(), **found} if kind == "port" else found

    def refused(self, kind: Kind) -> Set[str]:
        """Refs of wanted items that were refused and never taken in another form."""
        with self._lock:
            return {ref for k, ref in self._refused if k == kind}

    @property
    def complete(self) -> bool:
        """Whether a controller whose word is taken has told everything that is wanted since this process started."""
        return self._trusted and self._heard >= SPECS.keys()

    # ---- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Converge on the journal at once, then follow the controller."""
        for item in self.journal.load():
            self._accept(item)
        self.parts.start(self.observe)
        self._shared.start()
        self._guests.start()
        self.questions.queue.start()
        for kinds in STREAMS:
            self._spawn(self._follow, kinds)
        for body in (self._sweep_loop, self._heartbeat_loop, self.reporter.run):
            self._spawn(body)

    def _spawn(self, body: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=body, args=arguments, daemon=True, name=body.__name__).start()

    def stop(self) -> None:
        """Stop following and converging. Guests and their network stay."""
        for event in (self._stop, self._look):
            event.set()
        self._guests.stop()
        self._shared.stop()
        self.questions.queue.stop()
        self.reporter.stop()
        self.parts.stop()

    def observe(self, kind: Kind, ref: str) -> None:
        """Something happened to (kind, ref) in the world: look again."""
        self._queue(kind).put((kind, ref))

    # ---- following ---------------------------------------------------------------------------------------------

    def _follow(self, kinds: tuple[Kind, ...]) -> None:
        since, pause = 0, 0.1
        told_by: tuple[str, int] | None = None
        while not self._stop.is_set():
            try:
                changes = self.link.changes(kinds, since, WAIT_S)
                if self._stop.is_set():
                    return
                if not self.judge(changes.cloud):
                    since = 0
                    self._stop.wait(HOLD_S)
                    continue
                teller = None if changes.cloud is None else (changes.cloud.id, changes.cloud.epoch)
                if teller != told_by and not changes.full:  # another epoch: all of it, from the beginning
                    since, told_by = 0, teller
                    continue
                self.take(changes, kinds)
            except Exception as error:  # the controller is away, the disk is full: whatever it is, follow on
                expected = isinstance(error, LinkError | msgspec.MsgspecError)
                log.warning("following %s: %s", "/".join(kinds), error, exc_info=None if expected else error)
                self._maybe_rejoin(error, kinds)
                self._stop.wait(pause)
                pause = min(5.0, pause * 2)
                continue
            pause, told_by = 0.1, teller
            since = changes.revision
            if changes.items and "guest" not in kinds:
                self._stop.wait(SHARED_PAUSE_S)

    def judge(self, cloud: Cloud | None) -> bool:
        """Whether the word of the controller that says to be of `cloud` is taken; otherwise this node holds."""
        why = self.journal.disputed or trust.why_not(cloud, self.journal.seen)
        with self._lock:
            changed = why != self.hold
            self.hold, self._trusted, self.link.held, self._cloud = why, why is None, why is not None, cloud
            if changed and why is not None:
                self._heard.clear()
                self._unlisted.clear()
        if changed:
            if why is None:
                log.warning("the controller's word is taken again")
            else:
                log.error("this node keeps all it has and takes nothing from this controller: %s", why)
            self._look.set()  # the controller counts a host that holds as down: it is to hear of it at once
        return why is None

    def _maybe_rejoin(self, error: Exception, kinds: tuple[Kind, ...]) -> None:
        """Join again when the controller no longer knows our credentials (one of the streams is enough)."""
        if isinstance(error, LinkError) and error.status == 401 and kinds == STREAMS[0]:
            try:
                self._rejoin()
            except (LinkError, OSError) as refused:
                log.error("joining again: %s", refused)

    def take(self, changes: Changes, kinds: Sequence[Kind]) -> None:
        """Accept an answer of a controller whose word is taken: all of it is known before any of it is worked on. What
        a full answer does not list is strange, not gone."""
        self._trusted = self.hold is None
        accepted = [item for item in changes.items if self._know(entry(item, changes.cloud))]
        listed = {(item.kind, item.ref) for item in changes.items}
        with self._lock:
            self._unlisted -= listed
            self._fresh |= listed
            if changes.full:
                self._refused = {key for key in self._refused if key in listed or key[0] not in kinds}
                self._said = {key: report for key, report in self._said.items() if key[0] not in kinds}
                self._unlisted = {key for key in self._unlisted if key[0] not in kinds}
                self._unlisted |= {key for key, i in self._items.items() if i.kind in kinds and not i.gone} - listed
                self._heard.update(kinds)
                self._look.set()  # what is strange is told soon
        if changes.cloud is not None:
            self.journal.saw(changes.cloud, changes.revision)
        for item in accepted:
            self._queue(item.kind).put((item.kind, item.ref))
        for job in changes.jobs:
            self.questions.ask(job)

    def _accept(self, item: Item) -> None:
        if self._know(entry(item, self._cloud)):
            self._queue(item.kind).put((item.kind, item.ref))

    def _know(self, item: Entry) -> bool:
        """Take an item in; False when it is of the past, cannot be understood, or is nothing that this host would do:
        then what is there of it stays as it is."""
        key: Key = (item.kind, item.ref)
        try:
            checks.item(item)
            spec = None if item.gone else formats.read(item.kind, item.format, item.spec)
            checks.spec(item, spec)
        except (msgspec.ValidationError, ValueError) as error:
            log.error("%s %s is refused: %s", item.kind, texts.shown(item.ref), error)
            self._report(item, "failed", error="The host does not take this request.", detail=str(error))
            return self._left_as_it_is(key)
        if item.deferred is not None:  # the controller has said so to whoever waits for it
            log.warning("%s %s waits until this node is upgraded: %s", item.kind, item.ref, texts.shown(item.deferred))
            return self._left_as_it_is(key)
        with self._lock:
            known = self._items.get(key)
            if known is not None and known.cloud_id == item.cloud_id and known.age > item.age:
                return False
            self._items[key], self._typed[key] = item, self._within.taken_out(item.ref, spec)
            self._refused.discard(key)
            self._failures.pop(key, None)
            self.journal.keep(item)
        return True

    def _left_as_it_is(self, key: Key) -> bool:
        """It is wanted in a form that is not taken: what is there of it is nothing to be removed. False."""
        with self._lock:
            if key not in self._items:
                self._refused.add(key)
        return False

    def _queue(self, kind: Kind) -> WorkQueue[Key]:
        return self._guests if kind == "guest" else self._shared

    # ---- converging --------------------------------------------------------------------------------------------

    def _converge(self, key: Key) -> float | None:
        with self._lock:
            item, spec = self._items.get(key), self._typed.get(key)
        if item is None:
            return None
        if item.gone and not self._trusted:
            return UNTRUSTED_S
        if not item.gone and item.kind == "guest" and not (self._wanted_now(key) or self.parts.has(item.ref)):
            return UNTRUSTED_S if not self._trusted else None  # it may have ended long ago: it is not made again
        begun = time.monotonic()
        try:
            if item.gone:
                self.parts.absent(item, self)
                self._forget(key, item)
                self._report(item, "absent")
            else:
                facts = self.parts.ensure(item, spec, self)
                again_in: float | None = facts.pop("again_in", None)
                why = _why(facts.pop("left_out", []))
                self._report(item, str(facts.pop("state", "ready")), facts=facts, **why)
                if again_in is not None:
                    return again_in
        except NotYet as not_yet:
            with self._lock:
                self._unready.add(key)
            return not_yet.after_s
        except Exception as error:
            return self._failed(key, item, error)
        with self._lock:
            self._failures.pop(key, None)
        if item.kind != "guest":
            self._look_again()
        log.info(
            "%s %s revision %d %s in %.0f ms",
            *key,
            item.revision,
            "absent" if item.gone else "ready",
            (time.monotonic() - begun) * 1000,
        )
        return None

    def _wanted_now(self, key: Key) -> bool:
        """Whether a controller whose word is taken has said since this process began that it wants this."""
        with self._lock:
            return self._trusted and key in self._fresh and key not in self._unlisted

    def _look_again(self) -> None:
        """What many guests share has come: those that were not ready without it are looked at now, not later."""
        with self._lock:
            unready, self._unready = self._unready, set()
        for key in unready:
            self._queue(key[0]).put(key)

    def _failed(self, key: Key, item: Entry, error: Exception) -> float:
        with self._lock:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
        detail = error.detail if isinstance(error, PartError) else f"{type(error).__name__}: {error}"
        message = str(error) if isinstance(error, PartError) else "The host failed to carry this out."
        log.warning("%s %s revision %d failed: %s %s", *key, item.revision, message, detail, exc_info=error)
        self._report(item, "failed", error=message, detail=detail)
        return min(60.0, 0.5 * 2.0 ** min(failures, 10))

    def _forget(self, key: Key, item: Entry) -> None:
        with self._lock:
            if self._items.get(key) is item:
                del self._items[key]
                self._fresh.discard(key)
                self._typed.pop(key, None)
                self.journal.drop(item)

    def _report(self, item: Item, state: Any, *, facts: dict[str, Any] | None = None, **why: str) -> None:
        report = Report(
            host=item.host,
            kind=item.kind,
            ref=item.ref,
            revision=item.revision,
            state=state,
            facts=facts or {},
            **why,
        )
        key: Key = (item.kind, item.ref)
        with self._lock:
            if self.hold is not None or self._said.get(key) == report:
                return
            self._said[key] = report
            if state == "absent":
                del self._said[key]
        if state != "failed" and report.detail:
            log.warning("%s %s revision %d: %s", *key, item.revision, report.detail)
        self.reporter.put(report)

    def _ordered(self, order: simulation.Order) -> None:
        """Simulated hosts behave differently now: look at every guest; a host that went or came is told of at once."""
        if order != simulation.Order():
            with self._lock:
                guests = [key for key in self._items if key[0] == "guest"]
            for kind, ref in guests:
                self.observe(kind, ref)
        if order.host is not None or order.clear is not None:
            self.heartbeat()

    # ---- regular work ------------------------------------------------------------------------------------------

    def _sweep_loop(self) -> None:
        while not self._stop.is_set():
            if self._look.wait(SWEEP_S):
                self._look.clear()
                self._beat()
            if not self._stop.is_set():
                self.sweep()

    def sweep(self) -> None:
        """Mend what changed behind our back, and say what is here that nobody asked for.

        Until a controller whose word is taken has told everything once, nothing is known to be unwanted.
        """
        try:
            with self._lock:
                wanted = [key for key, item in self._items.items() if not item.gone]
            complete = self.complete
            for kind, ref in self.parts.sweep(self) if complete else wanted:
                self.observe(kind, ref)
            self._keep(complete)
        except Exception:
            log.exception("sweep failed and is tried again")

    def _keep(self, complete: bool) -> None:
        """Tell of what is kept; ask about what was strange for long, and remove what is affirmed to be unwanted."""
        if not complete and self.hold is None:
            return
        strays = [key for key in self.parts.strays(self) if key not in self._items]
        with self._lock:
            hold = self.hold is not None
            own = self._items.keys() if hold else self._unlisted
            known = [each for key in own if not (each := self._items[key]).gone]
            cloud = self._cloud
        strange = [*((each.kind, each.ref) for each in known), *strays]
        for gone in self._unwanted(self.keeper.strange([] if hold else strange)):
            self._accept(gone)
            known = [each for each in known if (each.kind, each.ref) != (gone.kind, gone.ref)]
        why: Literal["hold", "strange"] = "hold" if hold else "strange"
        kept = [keeper.kept(each, why) for each in known if each.kind != "guest" or self.parts.has(each.ref)]
        kept += [Kept(host="", kind=kind, ref=ref, why=why) for kind, ref in strays]
        self.keeper.tell(cloud, kept)

    def _unwanted(self, ripe: Sequence[Key]) -> list[Entry]:
        """Tombstones of those of these that the controller says it once had and has no more."""
        if not ripe:
            return []
        with self._lock:
            known, cloud = {key: self._items.get(key) for key in ripe}, self._cloud
        answer = self.keeper.ask([keeper.question(key, each, cloud) for key, each in known.items()])
        if answer is None or cloud is None or answer.epoch != cloud.epoch or self.hold is not None:
            return []
        found = [keeper.tombstone(one, known[one.kind, one.ref], answer, cloud) for one in answer.unwanted]
        with self._lock:
            self._unlisted -= {(one.kind, one.ref) for one in found}
        return found

    def _beat(self) -> bool:
        """Say "alive"; whether the controller heard it."""
        try:
            self.heartbeat()
            return True
        except LinkError as error:
            log.warning("heartbeat: %s", error)
        except Exception:
            log.exception("heartbeat failed")
        return False

    def _heartbeat_loop(self) -> None:
        """Soon again after one that failed: a controller that comes back wants to know which hosts there are."""
        pause = 0.25
        while not self._stop.is_set():
            done = self._beat()
            self._stop.wait(HEARTBEAT_S if done else pause)
            pause = 0.25 if done else min(HEARTBEAT_S, pause * 2)

    def heartbeat(self) -> None:
        """Say "alive", with the facts that changed, and why this node holds if it does."""
        facts = {fact.hostname: fact for fact in self.parts.facts()}
        changed = [fact for name, fact in facts.items() if self._told.get(name) != fact]
        renew = self.link.heartbeat(changed, complete=not self._told, hold=self.hold)
        self._told = dict(facts)
        if renew and self.hold is None:
            self._rejoin()


def _why(left_out: Sequence[str]) -> dict[str, str]:
    """What could not be taken of an item that is there otherwise, as its report's detail."""
    if not left_out:
        return {}
    more = [f"and {len(left_out) - MOST_REASONS} more"] if len(left_out) > MOST_REASONS else []
    return {"detail": "; ".join([*left_out[:MOST_REASONS], *more])}
