"""What is counted and timed, for Prometheus and for a collector under the same names."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from assistance.model import Reason
from assistance.telemetry.catalogue import CATALOGUE, Metric, Type
from assistance.telemetry.otlp import exporters, resource, sdk_environment, within

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of `Metrics.text`: the Prometheus text format."""

Gauge = Callable[[], Mapping[str, float]]
"""Returns the figure of each channel, topic or kind now (under any key if the metric has no label); called from any
thread."""

_OTHER = "other"
_REASONS = frozenset(reason.value for reason in Reason) | {""}
_VALUES_PER_LABEL = 200
_GAUGES = frozenset(metric.name for metric in CATALOGUE if metric.type is Type.GAUGE)
# Prometheus sees no increase when a counter appears with its first fault: those of the alerts start at zero.
_FROM_THE_START = {
    "assistance_http_responses_total": (("500",), ("503",)),
    "assistance_jwks_fetches_total": (("succeeded",), ("failed",)),
    "assistance_leases_lost_total": ((),),
}


class Metrics:
    """Our instruments, handed to the rooms that count.

    Counts are kept here and read by the instruments at a scrape: a tenth of the cost of incrementing an instrument each
    time. Race: they are incremented in the event loop's thread only.

    Labels are bounded: a reason that is not on the list, and a topic, channel or outcome beyond the first 200 of its
    kind, is counted as `other`. Topics and channels must come from the routing file, never from a caller.

    Args:
        provider: where the instruments live.
        registry: where the Prometheus reader of `provider` is registered.
    """

    def __init__(self, provider: MeterProvider, registry: CollectorRegistry) -> None:
        self._provider = provider
        self._registry = registry
        self._known: dict[str, set[str]] = {}
        self._gauges: dict[str, Gauge] = {}
        self._counts: dict[str, Counter[tuple[str, ...]]] = {}
        self._histograms: dict[str, Histogram] = {}
        meter = provider.get_meter("assistance")
        for metric in CATALOGUE:
            self._create(meter, metric)
        for name, labels in _FROM_THE_START.items():
            self._counts[name].update(dict.fromkeys(labels, 0))

    def request(self, topic: str, outcome: str) -> None:
        """Count one request: `outcome` is a fixed word such as `created`, `follow_up`, `replayed`, `refused`."""
        self._count("assistance_requests_total", topic=topic, outcome=outcome)

    def accepted(self, seconds: float) -> None:
        """Time one accept, arrival to stable storage."""
        self._record("assistance_accept_seconds", seconds)

    def answered(self, status: int | None) -> None:
        """Count one answer by its status; None: there was none."""
        self._count("assistance_http_responses_total", status=str(status or "none"))

    def delivery(self, channel: str, outcome: str, reason: str | None, seconds: float) -> None:
        """Count and time one attempt: `reason` is one of `Reason`, None when it was delivered."""
        reason = reason or ""
        reason = reason if reason in _REASONS else _OTHER
        self._count("assistance_deliveries_total", channel=channel, outcome=outcome, reason=reason)
        self._record("assistance_delivery_seconds", seconds, channel=channel)

    def notified(self, topic: str, seconds: float) -> None:
        """Time from acceptance until a person's channel has it."""
        self._record("assistance_notified_seconds", seconds, topic=topic)

    def claimed(self, topic: str, seconds: float) -> None:
        """Time from acceptance to the claim."""
        self._record("assistance_claimed_seconds", seconds, topic=topic)

    def leases_lost(self, count: int) -> None:
        """Count leases that another process may have taken over."""
        self._counts["assistance_leases_lost_total"][()] += count

    def keys_fetched(self, *, successful: bool) -> None:
        """Count one fetch of the issuer's keys."""
        self._count("assistance_jwks_fetches_total", outcome="succeeded" if successful else "failed")

    def committed(self, size: int) -> None:
        """Record how many writes one commit carried; may be called from any thread."""
        self._record("assistance_commit_batch_size", size)

    def reloaded(self, *, successful: bool, at: float) -> None:
        """Record the last reading of the routing file; `at` (epoch seconds) counts when it succeeded."""
        self.observe("assistance_config_last_reload_successful", lambda: {"": int(successful)})
        if successful:
            self.observe("assistance_config_last_reload_timestamp_seconds", lambda: {"": at})

    def observe(self, name: str, gauge: Gauge) -> None:
        """Let `gauge` give the figures of `assistance_waiting` or another gauge of the catalogue.

        Raises:
            ValueError: there is no such gauge.
        """
        if name not in _GAUGES:
            raise ValueError(f"{name} is no gauge of the catalogue")
        self._gauges[name] = gauge

    def text(self) -> bytes:
        """All of it in the Prometheus text format; a metric without a figure is there by its name.

        Calls the gauges: call it off the event loop if they block.
        """
        text = generate_latest(self._registry)
        empty = (metric.head for metric in CATALOGUE if f"# TYPE {metric.name} ".encode() not in text)
        return text + b"".join(empty)

    def shutdown(self, timeout: float = 2.0) -> None:
        """Export what is left, for `timeout` seconds at most."""
        within(timeout, self._provider.shutdown)

    def _create(self, meter: Meter, metric: Metric) -> None:
        name, text, observe = metric.name, metric.text, partial(self._observe, metric)
        match metric.type:
            case Type.COUNTER:
                self._counts[name] = Counter()
                meter.create_observable_counter(name, [observe], description=text)
            case Type.HISTOGRAM:
                self._histograms[name] = meter.create_histogram(
                    name, metric.unit, text, explicit_bucket_boundaries_advisory=metric.buckets
                )
            case Type.GAUGE:
                meter.create_observable_gauge(name, [observe], metric.unit, text)
            case _:
                assert_never(metric.type)

    def _count(self, name: str, **labels: str) -> None:
        counts, values = self._counts[name], tuple(labels.values())
        if values not in counts:
            values = tuple(self._bounded(label, value) for label, value in labels.items())
        counts[values] += 1

    def _record(self, name: str, figure: float, **labels: str) -> None:
        # None when there are no labels: the SDK takes longer over an empty dictionary.
        bounded = {label: self._bounded(label, value) for label, value in labels.items()} or None
        self._histograms[name].record(figure, bounded)

    def _observe(self, metric: Metric, _options: CallbackOptions) -> list[Observation]:
        """The figures of a counter or a gauge, for a reader's thread."""
        figures: list[tuple[tuple[str, ...], float]]
        if metric.type is Type.COUNTER:
            # Race: copied in one step, as the event loop goes on counting.
            figures = list(self._counts[metric.name].items())
        else:
            read = self._gauges.get(metric.name, dict[str, float])
            figures = [
                (tuple(self._bounded(label, key) for label in metric.labels), figure) for key, figure in read().items()
            ]
        return [Observation(figure, dict(zip(metric.labels, values, strict=True))) for values, figure in figures]

    def _bounded(self, label: str, value: str) -> str:
        known = self._known.setdefault(label, set())
        if value not in known:
            if len(known) >= _VALUES_PER_LABEL:
                return _OTHER
            known.add(value)
        return value


def set_up_metrics(environ: Mapping[str, str], service_version: str) -> Metrics:
    """Build the metrics for `/metrics`, and for a collector when the `OTEL_*` variables ask for it.

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
        # Without exemplars: the text format cannot hold them.
        provider = MeterProvider(
            readers, resource(environ, service_version), AlwaysOffExemplarFilter(), shutdown_on_exit=False
        )
    return Metrics(provider, registry)
