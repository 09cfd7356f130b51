"""What is counted and timed: the list of our metrics, for Prometheus and for a collector under the same names."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from assistance.model import Reason
from assistance.telemetry.otlp import exporters, resource, sdk_environment, within

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of `Metrics.text`: the Prometheus text format."""

Gauge = Callable[[], Mapping[str, float]]
"""Gives a figure for each channel or topic at the moment it is asked; may be called from any thread."""

_MILLISECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SENDING = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
_PEOPLE = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 14400, 86400, 604800)
_OTHER = "other"
_REASONS = frozenset(reason.value for reason in Reason) | {""}
_VALUES_PER_LABEL = 200
_COUNTERS = {
    "assistance_requests_total": "Requests for assistance, by what became of them.",
    "assistance_deliveries_total": "Tries to deliver, by their outcome.",
}
_TIMES = {
    "assistance_accept_seconds": ("From the request's arrival until it is on stable storage.", _MILLISECONDS),
    "assistance_delivery_seconds": ("How long one try to deliver took.", _SENDING),
    "assistance_notified_seconds": ("From acceptance until a person's channel has taken it.", _PEOPLE),
    "assistance_claimed_seconds": ("From acceptance until a person has claimed it.", _PEOPLE),
}
_RELOADS = {
    "assistance_config_last_reload_successful": "1 when the last reading of the routing file succeeded.",
    "assistance_config_last_reload_timestamp_seconds": "When the routing file in use was read.",
}
_OBSERVED = {
    "assistance_waiting": ("channel", "Messages owed to the channel that it has not taken yet."),
    "assistance_oldest_undelivered_seconds": ("channel", "Age of the oldest message that is due and not delivered."),
    "assistance_oldest_unclaimed_seconds": ("topic", "Age of the oldest open request that nobody has claimed."),
    "assistance_channel_parked": ("channel", "1 while the channel is parked because it is misconfigured."),
}


def _head(name: str, kind: str, text: str) -> bytes:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def _unit(name: str) -> str:
    return "s" if name.endswith("_seconds") else ""


_HEADS = {
    **{name: _head(name, "counter", text) for name, text in _COUNTERS.items()},
    **{name: _head(name, "histogram", text) for name, (text, _) in _TIMES.items()},
    **{name: _head(name, "gauge", text) for name, text in _RELOADS.items()},
    **{name: _head(name, "gauge", text) for name, (_, text) in _OBSERVED.items()},
}


class Metrics:
    """Our instruments, handed to those who count.

    Labels are bounded: a reason that is not on the list, and a topic, channel or outcome beyond the first 200 of its
    kind, is counted as `other`. Topics and channels must come from the routing file, never from a caller.

    Args:
        provider: where the instruments live.
        registry: where the Prometheus reader of `provider` is registered.
    """

    def __init__(self, provider: MeterProvider, registry: CollectorRegistry) -> None:
        """See the class."""
        self._provider = provider
        self._registry = registry
        self._known: dict[str, set[str]] = {"topic": set(), "channel": set(), "outcome": set()}
        self._gauges: dict[str, Gauge] = {}
        meter = provider.get_meter("assistance")
        counters = {name: meter.create_counter(name, description=text) for name, text in _COUNTERS.items()}
        times = {
            name: meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=buckets)
            for name, (text, buckets) in _TIMES.items()
        }
        gauges = {name: meter.create_gauge(name, _unit(name), text) for name, text in _RELOADS.items()}
        self._requests, self._deliveries = counters.values()
        self._accept, self._delivery, self._notified, self._claimed = times.values()
        self._reload_successful, self._reload_timestamp = gauges.values()
        for name, (_label, text) in _OBSERVED.items():
            meter.create_observable_gauge(name, [self._observer(name)], _unit(name), text)

    def request(self, topic: str, outcome: str) -> None:
        """Count one ask: `outcome` is a fixed word such as `accepted`, `follow_up`, `replayed`, `refused`."""
        self._requests.add(1, {"topic": self._bounded("topic", topic), "outcome": self._bounded("outcome", outcome)})

    def accepted(self, seconds: float) -> None:
        """Time one accept, arrival to stable storage."""
        self._accept.record(seconds)

    def delivery(self, channel: str, outcome: str, reason: str | None, seconds: float) -> None:
        """Count and time one try: `reason` is one of `Reason`, None when it was delivered."""
        channel = self._bounded("channel", channel)
        reason = reason or ""
        self._deliveries.add(
            1,
            {
                "channel": channel,
                "outcome": self._bounded("outcome", outcome),
                "reason": reason if reason in _REASONS else _OTHER,
            },
        )
        self._delivery.record(seconds, {"channel": channel})

    def notified(self, topic: str, seconds: float) -> None:
        """Time from acceptance to the first person's channel that took it."""
        self._notified.record(seconds, {"topic": self._bounded("topic", topic)})

    def claimed(self, topic: str, seconds: float) -> None:
        """Time from acceptance to the claim."""
        self._claimed.record(seconds, {"topic": self._bounded("topic", topic)})

    def reloaded(self, *, successful: bool, at: float) -> None:
        """Tell how the last reading of the routing file went; `at` (epoch seconds) counts when it succeeded."""
        self._reload_successful.set(int(successful))
        if successful:
            self._reload_timestamp.set(at)

    def watch(self, name: str, gauge: Gauge) -> None:
        """Let `gauge` give the figures of `assistance_waiting` or another of the gauges above.

        Raises:
            KeyError: there is no such gauge.
        """
        _ = _OBSERVED[name]
        self._gauges[name] = gauge

    def text(self) -> bytes:
        """All of it in the Prometheus text format; what has no figure yet is there by its name.

        Asks the gauges: call it off the event loop if they block.
        """
        told = generate_latest(self._registry)
        silent = (head for name, head in _HEADS.items() if f"# TYPE {name} ".encode() not in told)
        return told + b"".join(silent)

    def shutdown(self, timeout: float = 2.0) -> None:
        """Export what is left, for `timeout` seconds at most."""
        within(timeout, self._provider.shutdown)

    def _observer(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        label = _OBSERVED[name][0]

        def observe(_options: CallbackOptions) -> Sequence[Observation]:
            gauge = self._gauges.get(name)
            figures = gauge() if gauge is not None else {}
            return [Observation(figure, {label: self._bounded(label, key)}) for key, figure in figures.items()]

        return observe

    def _bounded(self, label: str, value: str) -> str:
        known = self._known[label]
        if value not in known:
            if len(known) >= _VALUES_PER_LABEL:
                return _OTHER
            known.add(value)
        return value


def set_up_metrics(environ: Mapping[str, str], service_version: str) -> Metrics:
    """Build the metrics, read by `/metrics`, and by a collector when the `OTEL_*` variables ask for it.

    Raises:
        SettingsError: an exporter or a protocol is asked for that is not built in.
    """
    registry = CollectorRegistry()
    readers: list[MetricReader] = [
        PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    ]
    chosen = exporters(environ, "METRICS")
    with sdk_environment(environ):
        if "otlp" in chosen:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        if "console" in chosen:
            one_line = ConsoleMetricExporter(formatter=lambda data: data.to_json(indent=None) + "\n")
            readers.append(PeriodicExportingMetricReader(one_line))
        # The text format has no place for exemplars.
        provider = MeterProvider(
            readers, resource(environ, service_version), AlwaysOffExemplarFilter(), shutdown_on_exit=False
        )
    return Metrics(provider, registry)
