"""``/metrics``: who may see it, that Prometheus's own parser reads it, and that nobody's names are in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from cumulet.fleet.model import hosts
from cumulet.http import measures
from tests.assembled import Assembled


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("metrics") / "state")
    yield found
    found.close()


def scraped(cloud: Assembled, service: str = "compute") -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name."""
    token = cloud.settings.secret("metrics_token")
    answer = cloud.ask(service, "GET", "/metrics", headers={"authorization": f"Bearer {token}", "accept": "text/plain"})
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer wrong", "Basic x", "operator"])
def test_strangers_see_nothing(cloud: Assembled, shown: str) -> None:
    if shown == "operator":
        shown = f"Bearer {cloud.settings.secret('operator_secret')}"
    answer = cloud.ask("compute", "GET", "/metrics", headers={"authorization": shown})
    assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert b"cumulet_" not in answer.body


def test_it_can_only_be_read(cloud: Assembled) -> None:
    token = cloud.settings.secret("metrics_token")
    assert cloud.ask("image", "POST", "/metrics", headers={"authorization": f"Bearer {token}"}).status == 405


def test_requests_are_counted_by_operation_and_status(cloud: Assembled) -> None:
    labels = {"service": "compute", "method": "GET", "route": "/v2.1/flavors/{flavor_id}"}

    def counted() -> float:
        samples = scraped(cloud).get("cumulet_http_requests_total", [])
        return sum(value for labels_, value in samples if labels_ == {**labels, "status": "401"})

    before = counted()
    for flavor in ("1", "two", "' OR 1"):
        cloud.ask("compute", "GET", f"/v2.1/flavors/{flavor.replace(' ', '%20')}")
    assert counted() == before + 3
    found = scraped(cloud)
    name = "cumulet_http_request_duration_seconds_bucket"
    buckets = [value for labels_, value in found[name] if labels_.items() >= labels.items()]
    assert buckets == sorted(buckets) and buckets[-1] >= 3
    assert all("two" not in str(labels_) for labels_, _ in found["cumulet_http_requests_total"])


def test_strange_methods_and_paths_make_no_more_numbers(cloud: Assembled) -> None:
    for number in range(20):
        cloud.ask("compute", f"M{number}", f"/x{number}")
    routes = {route for route, _ in cloud.controller.app.measures.answers}
    assert ("compute", "other", "") in routes and not any(method.startswith("M") for _, method, _ in routes)


def test_what_a_cloud_has_is_told(cloud: Assembled) -> None:
    found = scraped(cloud, "identity")
    assert found["cumulet_build_info"][0][0]["version"]
    assert {labels["state"] for labels, _ in found["cumulet_hosts"]} == {"up", "down", "held", "disabled"}
    assert found["cumulet_database_up"] == [({}, 1.0)]
    assert found["cumulet_database_bytes"][0][1] > 0
    assert {labels["folder"] for labels, value in found["cumulet_disk_free_bytes"] if value > 0} >= {"state", "images"}
    assert "process_resident_memory_bytes" in found
    assert found["cumulet_database_write_wait_seconds_count"][0][1] > 0
    assert found["cumulet_controller_restarts_total"] == [({}, 0.0)]
    assert found["cumulet_node_restarts_total"] == [({}, 0.0)]


def test_restarts_of_a_node_are_counted_as_it_says_them(cloud: Assembled) -> None:
    with cloud.controller.db.transaction() as tx:
        link_id, secret = hosts.join(tx, "a-node", [])
    headers = {"X-Cumulet-Link": link_id, "X-Cumulet-Secret": secret}
    body = {"restarts": 3, "clock_us": 1}
    assert cloud.ask("link", "POST", "/v1/heartbeat", headers=headers, body=body).status == 204
    assert scraped(cloud)["cumulet_node_restarts_total"] == [({}, 3.0)]
    for wrong in ({"restarts": -1}, {"clock_us": 2**60}, {"clock_us": "now"}):
        assert cloud.ask("link", "POST", "/v1/heartbeat", headers=headers, body=wrong).status == 400


EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DERIVED = ("_bucket", "_sum", "_count", "_total")


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json", "../monitoring.md"])
def test_examples_name_numbers_that_there_are(cloud: Assembled, file: str) -> None:
    token = cloud.settings.secret("metrics_token")
    answer = cloud.ask("image", "GET", "/metrics", headers={"authorization": f"Bearer {token}"})
    there = set(re.findall(r"^# TYPE (\w+)", answer.body.decode(), re.M))
    there.add("cumulet_certificate_expiry_timestamp_seconds")  # of clouds that speak TLS; tests/cli/test_tls.py
    there |= {name + end for name in there for end in DERIVED}
    text = (EXAMPLES / file).read_text()
    named = set(re.findall(r"\b(?:cumulet|process)_[a-z_]+[a-z]\b", text))
    assert named and named <= there
    if file.endswith(".json"):
        assert json.loads(text)["panels"]


def test_alerts_are_rules_as_prometheus_reads_them() -> None:
    groups = yaml.safe_load((EXAMPLES / "alerts.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"} and rule["expr"]


def test_a_database_that_is_away_is_told(cloud: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OSError("gone")

    monkeypatch.setattr(cloud.controller.db, "read", away)
    monkeypatch.setattr(type(cloud.controller.db), "trouble", lambda self, error: "away")
    found = scraped(cloud)
    assert found["cumulet_database_up"] == [({}, 0.0)] and "cumulet_hosts" not in found
    assert found["cumulet_http_requests_total"]


def test_openmetrics_is_spoken_to_who_asks(cloud: Assembled) -> None:
    token = cloud.settings.secret("metrics_token")
    headers = {"authorization": f"Bearer {token}", "accept": "application/openmetrics-text; version=1.0.0"}
    answer = cloud.ask("network", "GET", "/metrics", headers=headers)
    assert "openmetrics" in answer.headers["content-type"]
    assert list(openmetrics.text_string_to_metric_families(answer.body.decode()))


def test_a_time_is_in_its_bucket() -> None:
    found = measures.Measures()
    for seconds in (0.0, 0.001, 0.0011, 9.9, 100.0):
        found.count(("compute", "GET", "/"), 200, seconds)
    buckets = found.times["compute", "GET", "/"].buckets
    assert (buckets[0], buckets[1], buckets[-2], buckets[-1]) == (2, 1, 1, 1) and sum(buckets) == 5


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
def test_examples_take_no_waiting_for_slowness(file: str) -> None:
    """A node's question for changes is answered after 25 seconds when there are none, a console is one long request."""
    told = [line for line in (EXAMPLES / file).read_text().splitlines() if "duration_seconds_bucket" in line]
    assert told and all('service!~\\"link|console\\"' in line and "file|stage" in line for line in told)
