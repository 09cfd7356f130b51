"""The list of our metrics: names, labels and meanings; `docs/metrics.md` says the same."""

from dataclasses import dataclass
from enum import StrEnum

_MILLISECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
_PEOPLE = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 14400, 86400, 604800)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Type(StrEnum):
    """How Prometheus reads it."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One of our metrics; `buckets` are upper bounds, those of a histogram."""

    name: str
    type: Type
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """`s`, or nothing for a plain number."""
        return "s" if self.name.endswith("_seconds") else ""

    @property
    def head(self) -> bytes:
        """The HELP and TYPE lines of the Prometheus text format."""
        return f"# HELP {self.name} {self.text}\n# TYPE {self.name} {self.type}\n".encode()


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Type.COUNTER, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name, Type.HISTOGRAM, text, labels, buckets)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Type.GAUGE, text, labels)


_REQUESTS = (
    _counter("assistance_requests_total", "Requests for assistance, by outcome.", "topic", "outcome"),
    _histogram("assistance_accept_seconds", "From a valid request until it is on stable storage.", _MILLISECONDS),
    _histogram("assistance_notified_seconds", "From acceptance until a person's channel has it.", _PEOPLE, "topic"),
    _histogram("assistance_claimed_seconds", "From acceptance until a person has claimed it.", _PEOPLE, "topic"),
    _gauge("assistance_oldest_unclaimed_seconds", "Age of the oldest open request that nobody has claimed.", "topic"),
    _counter("assistance_http_responses_total", "Answers, by status; health paths not counted.", "status"),
)
_DELIVERIES = (
    _counter(
        "assistance_deliveries_total", "Attempts to deliver, by outcome and reason.", "channel", "outcome", "reason"
    ),
    _histogram("assistance_delivery_seconds", "How long one attempt to deliver took.", _SECONDS, "channel"),
    _gauge("assistance_waiting", "Messages that are due on the channel and not delivered yet.", "channel"),
    _gauge(
        "assistance_oldest_undelivered_seconds", "Age of the oldest message that is due and not delivered.", "channel"
    ),
    _gauge("assistance_channel_parked", "1 while the channel is parked because it is misconfigured.", "channel"),
    _gauge(
        "assistance_breaker_open",
        "1 while this process pauses sending, because the channel does not answer.",
        "channel",
    ),
    _gauge("assistance_dispatch_beat_age_seconds", "Time since this process's dispatch loop last ran."),
    _counter("assistance_leases_lost_total", "Leases that this process could not renew in time."),
)
_HOUSE = (
    _gauge("assistance_config_last_reload_successful", "1 when the last reading of the routing file succeeded."),
    _gauge("assistance_config_last_reload_timestamp_seconds", "When the routing file in use was read."),
    _counter("assistance_jwks_fetches_total", "Fetches of the issuer's keys, `succeeded` or `failed`.", "outcome"),
    _histogram("assistance_commit_batch_size", "Writes that one commit to the store carried.", _SIZES),
    _gauge("assistance_audit_findings", "What the last audit found wrong, by kind; 0 when all is well.", "kind"),
    _gauge("assistance_audit_timestamp_seconds", "When the last audit of this process ended."),
)
CATALOGUE = (*_REQUESTS, *_DELIVERIES, *_HOUSE)
"""Every metric that we have, in the order of the documentation."""
