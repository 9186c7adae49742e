"""``/metrics`` for Prometheus: what a controller knows of itself and of the cloud, as numbers.

Requests are counted as they are answered (`src/cumulet/http/measures.py`); everything else is looked up when it is
asked for, in one read of the database and a few statements. Labels are words of ours (services, declared paths, states,
resource classes): never a user's, a project's or a resource's name. The library that writes the format is loaded by the
first question.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cumulet import __version__
from cumulet.cli import supervise, trust
from cumulet.config import ConfigError, Settings
from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND
from cumulet.engine import waiting
from cumulet.fleet import door as fleet
from cumulet.http.measures import BUCKETS, Measures

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BEARER = "Bearer "
Gauges = Callable[[Transaction], "Iterable[Metric]"]
"""What a service counts in its rows."""


class Metrics:
    """Answers ``/metrics``; also a collector, as the library has them. `gauges`: what services count."""

    def __init__(
        self, settings: Settings, db: Database, measures: Measures, heard: fleet.Heard, gauges: Sequence[Gauges] = ()
    ) -> None:
        self._settings, self._store, self._measures, self._heard = settings, db, measures, heard
        self._gauges = gauges

    async def answer(self, authorization: str, accept: str) -> tuple[bytes, str] | None:
        """Everything as text and its content type; None without the token of ``secrets/metrics_token``."""
        if not authorization.startswith(BEARER) or not self._opens(authorization.removeprefix(BEARER)):
            return None
        seen = self._measures.copy()  # on the event loop, which counts
        return await asyncio.get_running_loop().run_in_executor(None, self._text, seen, accept)

    def _opens(self, shown: str) -> bool:
        try:
            secret = self._settings.secret("metrics_token")
        except ConfigError:
            return False
        return bool(secret) and hmac.compare_digest(shown.encode(), secret.encode())

    def _text(self, seen: Measures, accept: str) -> tuple[bytes, str]:
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(_Seen(self, seen))
        encode, kind = choose_encoder(accept)
        return encode(registry), kind

    def families(self, seen: Measures) -> Iterator[Metric]:
        """All of ours."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        yield InfoMetricFamily("cumulet_build", "What runs.", {"version": __version__})
        yield from _process(self._store, self._heard)
        yield from _requests(seen)
        yield from _disks(self._settings)
        certificate = _certificate(self._settings)
        if certificate is not None:
            name = "cumulet_certificate_expiry_timestamp_seconds"
            yield GaugeMetricFamily(name, "When the APIs' certificate ends.", certificate)
        begun = time.perf_counter()
        try:
            with self._store.read() as tx:
                found = [*_of_rows(tx), *(each for gauges in self._gauges for each in gauges(tx))]
        except Exception as error:
            if self._store.trouble(error) is None:
                raise
            found = []
        yield GaugeMetricFamily("cumulet_database_up", "Whether the database answered.", float(bool(found)))
        took = time.perf_counter() - begun
        yield GaugeMetricFamily("cumulet_database_read_seconds", "How long it took to look all this up.", took)
        yield from found
        if isinstance(self._store.where, Path):
            size = sum(_size(self._store.where.with_name(self._store.where.name + end)) for end in ("", "-wal"))
            yield GaugeMetricFamily("cumulet_database_bytes", "Size of the database's files.", size)


class _Seen:
    """The collector of one answer."""

    def __init__(self, metrics: Metrics, seen: Measures) -> None:
        self._metrics, self._measures = metrics, seen

    def collect(self) -> Iterable[Metric]:
        return self._metrics.families(self._measures)


def _process(db: Database, heard: fleet.Heard) -> Iterator[Metric]:
    """What this process knows of itself, and nodes say of theirs."""
    from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

    restarts = int(os.environ.get(supervise.RESTARTS, "0"))
    yield CounterMetricFamily("cumulet_controller_restarts", "Since the supervisor began.", value=restarts)
    again = heard.restarts()
    yield CounterMetricFamily("cumulet_node_restarts", "Of all nodes, since their supervisors began.", value=again)
    waits, waited = db.writes, db.waited_s
    yield SummaryMetricFamily("cumulet_database_write_wait_seconds", "Wait of a writer for its turn.", waits, waited)


def _requests(seen: Measures) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    labels = ["service", "method", "route"]
    answers = CounterMetricFamily(
        "cumulet_http_requests", "Requests by operation and status.", labels=[*labels, "status"]
    )
    for (route, status), count in seen.answers.items():
        answers.add_metric([*route, str(status)], count)
    yield answers
    times = HistogramMetricFamily(
        "cumulet_http_request_duration_seconds", "Time to the end of the answer.", labels=labels
    )
    bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
    for route, taken in seen.times.items():
        total, buckets = 0, []
        for bound, count in zip(bounds, taken.buckets, strict=True):
            total += count
            buckets.append((bound, float(total)))
        times.add_metric(list(route), buckets, taken.seconds)
    yield times


def _disks(settings: Settings) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    size = GaugeMetricFamily("cumulet_disk_size_bytes", "Size of the file system of a folder.", labels=["folder"])
    free = GaugeMetricFamily("cumulet_disk_free_bytes", "What is free on it.", labels=["folder"])
    for name, folder in (("state", settings.state), ("images", settings.images_dir), ("node", settings.node_dir)):
        try:
            found = shutil.disk_usage(folder)
        except OSError:
            continue
        size.add_metric([name], found.total)
        free.add_metric([name], found.free)
    yield from (size, free)


def _of_rows(tx: Transaction) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    flows = GaugeMetricFamily("cumulet_flows", "Long work under way.", labels=["kind"])
    oldest = GaugeMetricFamily("cumulet_flow_oldest_seconds", "Age of the oldest of it.", labels=["kind"])
    for kind, (count, since) in waiting(tx).items():
        flows.add_metric([kind], count)
        oldest.add_metric([kind], max(0.0, (tx.now - since) / SECOND))
    yield from (flows, oldest)
    hosts = GaugeMetricFamily("cumulet_hosts", "Hosts by what they are: up, down, held or disabled.", labels=["state"])
    for state, count in fleet.host_counts(tx).items():
        hosts.add_metric([state], count)
    yield hosts
    items = GaugeMetricFamily("cumulet_items", "What hosts shall have, by how far they are.", labels=["kind", "state"])
    for (kind, state), count in fleet.item_counts(tx).items():
        items.add_metric([kind, state], count)
    yield items


def _certificate(settings: Settings) -> float | None:
    """When the certificate ends, in seconds since 1970."""
    try:
        shown = trust.certificate(settings)
    except OSError:
        return None
    if shown is None:
        return None
    from cryptography import x509

    return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
