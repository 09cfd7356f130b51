"""Which room gives which gauge its figures."""

from collections.abc import Mapping

from assistance.dispatch import Dispatcher
from assistance.telemetry import Metrics
from assistance.watch.auditor import Auditor
from assistance.watch.backlog import BacklogWatch


def watch(metrics: Metrics, backlog: BacklogWatch, auditor: Auditor, dispatcher: Dispatcher | None) -> None:
    """Let the gauges have their figures from memory: a scrape asks nobody else."""
    metrics.observe("assistance_waiting", backlog.waiting)
    metrics.observe("assistance_oldest_undelivered_seconds", backlog.oldest_undelivered)
    metrics.observe("assistance_oldest_unclaimed_seconds", backlog.oldest_unclaimed)
    metrics.observe("assistance_channel_parked", backlog.parked)
    metrics.observe("assistance_audit_findings", lambda: auditor.findings)
    metrics.observe("assistance_audit_timestamp_seconds", lambda: _ended(auditor))
    if dispatcher is not None:
        metrics.observe("assistance_breaker_open", lambda: _breakers(dispatcher))
        metrics.observe("assistance_dispatch_beat_age_seconds", lambda: {"": dispatcher.seconds_since_beat})


def _ended(auditor: Auditor) -> Mapping[str, float]:
    return {} if auditor.ended_at is None else {"": auditor.ended_at}


def _breakers(dispatcher: Dispatcher) -> Mapping[str, float]:
    # The dictionary changes in the event loop's thread, and this is asked in another one.
    return {name: float(not lane.health.breaker.closed) for name, lane in dispatcher.lanes.copy().items()}
