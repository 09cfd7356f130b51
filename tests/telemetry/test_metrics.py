"""The metrics, as Prometheus reads them."""

import re
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from tests.telemetry.collector import collector

from assistance.telemetry import Metrics, set_up_metrics
from assistance.telemetry.catalogue import CATALOGUE

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"

CONTRACT = {
    "assistance_requests_total": {"topic", "outcome"},
    "assistance_accept_seconds": set(),
    "assistance_deliveries_total": {"channel", "outcome", "reason"},
    "assistance_delivery_seconds": {"channel"},
    "assistance_notified_seconds": {"topic"},
    "assistance_claimed_seconds": {"topic"},
    "assistance_waiting": {"channel"},
    "assistance_oldest_undelivered_seconds": {"channel"},
    "assistance_oldest_unclaimed_seconds": {"topic"},
    "assistance_channel_parked": {"channel"},
    "assistance_http_responses_total": {"status"},
    "assistance_breaker_open": {"channel"},
    "assistance_dispatch_beat_age_seconds": set(),
    "assistance_leases_lost_total": set(),
    "assistance_jwks_fetches_total": {"outcome"},
    "assistance_commit_batch_size": set(),
    "assistance_audit_findings": {"kind"},
    "assistance_audit_timestamp_seconds": set(),
    "assistance_config_last_reload_successful": set(),
    "assistance_config_last_reload_timestamp_seconds": set(),
}


def used() -> Metrics:
    metrics = set_up_metrics({}, "1.0")
    use(metrics)
    return metrics


def use(metrics: Metrics) -> None:
    metrics.request("sales", "accepted")
    metrics.accepted(0.004)
    metrics.delivery("sales-slack", "retry", "rate_limited", 0.2)
    metrics.notified("sales", 1.5)
    metrics.claimed("sales", 70)
    metrics.reloaded(successful=True, at=1_700_000_000.5)
    metrics.answered(201)
    metrics.leases_lost(1)
    metrics.keys_fetched(successful=True)
    metrics.committed(3)
    metrics.observe("assistance_breaker_open", lambda: {"sales-slack": 0})
    metrics.observe("assistance_dispatch_beat_age_seconds", lambda: {"": 0.5})
    metrics.observe("assistance_audit_findings", lambda: {"clock": 0})
    metrics.observe("assistance_audit_timestamp_seconds", lambda: {"": 1_700_000_000})
    metrics.observe("assistance_waiting", lambda: {"sales-slack": 3})
    metrics.observe("assistance_oldest_undelivered_seconds", lambda: {"sales-slack": 12.5})
    metrics.observe("assistance_oldest_unclaimed_seconds", lambda: {"sales": 99})
    metrics.observe("assistance_channel_parked", lambda: {"sales-slack": 1, "pricing-mail": 0})


def samples(metrics: Metrics) -> dict[str, float]:
    """Each sample by its name and labels, as the text has them."""
    lines = (line.rpartition(" ") for line in metrics.text().decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_names_and_labels_are_exactly_those_of_the_contract():
    """Every metric is there by its documented name, with its documented labels, and no other is."""
    families = list(text_string_to_metric_families(used().text().decode()))
    seen: dict[str, set[str]] = {}
    for family in families:
        for sample in family.samples:
            name = re.sub(r"_(bucket|count|sum)$", "", sample.name)
            seen.setdefault(name, set()).update(sample.labels.keys() - {"le"})
    assert seen == CONTRACT


def test_a_metric_without_a_figure_is_there_by_its_name():
    """A dashboard finds every name from the start."""
    text = set_up_metrics({}, "1.0").text().decode()
    assert sorted(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)) == sorted(CONTRACT)


def test_figures_arrive():
    """Counts, times, gauges and the instant of the last reload are what was recorded."""
    figures = samples(used())
    assert figures['assistance_requests_total{outcome="accepted",topic="sales"}'] == 1
    assert figures['assistance_accept_seconds_bucket{le="0.005"}'] == 1
    assert figures['assistance_accept_seconds_bucket{le="0.0025"}'] == 0
    assert figures['assistance_deliveries_total{channel="sales-slack",outcome="retry",reason="rate_limited"}'] == 1
    assert figures['assistance_claimed_seconds_sum{topic="sales"}'] == 70
    assert figures['assistance_waiting{channel="sales-slack"}'] == 3
    assert figures["assistance_config_last_reload_successful"] == 1
    assert figures["assistance_config_last_reload_timestamp_seconds"] == pytest.approx(1_700_000_000.5, abs=1)


def test_a_failed_reload_keeps_the_instant_of_the_good_one():
    """The time stamp says since when the configuration in use is in use."""
    metrics = used()
    metrics.reloaded(successful=False, at=1_800_000_000)
    figures = samples(metrics)
    assert figures["assistance_config_last_reload_successful"] == 0
    assert figures["assistance_config_last_reload_timestamp_seconds"] < 1_800_000_000


def test_labels_are_bounded():
    """An unknown reason, and values beyond the bound, are counted as `other`."""
    metrics = set_up_metrics({}, "1.0")
    metrics.delivery("c", "failed", "no such user: canary", 1)
    for number in range(1000):
        metrics.request(f"topic {number}", "accepted")
    text = metrics.text().decode()
    assert "canary" not in text
    assert 'reason="other"' in text
    figures = samples(metrics)
    assert figures['assistance_requests_total{outcome="accepted",topic="other"}'] == 800
    assert len([name for name in figures if name.startswith("assistance_requests_total")]) == 201


def test_what_alerts_look_at_is_there_before_the_first_fault():
    """A counter that appears with its first fault has not risen, as Prometheus sees it: those begin at zero."""
    figures = samples(set_up_metrics({}, "1.0"))
    assert figures['assistance_http_responses_total{status="500"}'] == 0
    assert figures['assistance_jwks_fetches_total{outcome="failed"}'] == 0
    assert figures["assistance_leases_lost_total"] == 0


def test_the_documentation_lists_every_metric_as_it_is():
    """Names, types, labels and meanings in docs/metrics.md are those of the code, in its order."""
    rows = re.findall(r"^\| `(\w+)`(?: ˢ)? \| (\w+) \| (.*?) ?\| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    documented = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows]
    assert documented == [(each.name, each.type, each.labels, each.text) for each in CATALOGUE]


def test_a_gauge_that_is_not_ours_is_refused():
    """A misspelt name is an error where it is written."""
    with pytest.raises(ValueError, match="no gauge"):
        set_up_metrics({}, "1.0").observe("assistance_wating", dict)


def test_a_collector_gets_the_same_names():
    """With an endpoint set the same instruments go out through OTLP."""
    with collector() as (url, received):
        metrics = set_up_metrics({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, "1.0")
        use(metrics)
        metrics.shutdown()
        path, body = received.get(timeout=5)
    assert path == "/v1/metrics"
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    assert {metric.name for scope in resource.scope_metrics for metric in scope.metrics} == set(CONTRACT)
