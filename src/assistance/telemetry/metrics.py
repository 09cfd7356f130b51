"""What is counted and timed, for Prometheus and for a collector under the same names."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.metrics import _Gauge as Told
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from assistance.model import Reason
from assistance.telemetry.catalogue import CATALOGUE, Metric, Type
from assistance.telemetry.otlp import exporters, resource, sdk_environment, within

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of `Metrics.text`: the Prometheus text format."""

Gauge = Callable[[], Mapping[str, float]]
"""Gives a figure for each channel, topic or kind at the moment it is asked (under any key where there is no label); may
be called from any thread."""

_OTHER = "other"
_REASONS = frozenset(reason.value for reason in Reason) | {""}
_VALUES_PER_LABEL = 200
_OBSERVED = {metric.name: metric for metric in CATALOGUE if metric.type is Type.WATCHED}
# A rise from nothing is no rise to Prometheus: what alerts look at is there from the start.
_FROM_THE_START = {
    "assistance_http_responses_total": (("500",), ("503",)),
    "assistance_jwks_fetches_total": (("succeeded",), ("failed",)),
    "assistance_leases_lost_total": ((),),
}


class Metrics:
    """Our instruments, handed to those who count.

    Counts are kept here and read by the instruments when somebody asks, which costs a call a tenth of telling an
    instrument each time. They are told in the event loop's thread only.

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
        self._known: dict[str, set[str]] = {}
        self._gauges: dict[str, Gauge] = {}
        self._counts: dict[str, Counter[tuple[str, ...]]] = {}
        self._histograms: dict[str, Histogram] = {}
        self._told: dict[str, Told] = {}
        meter = provider.get_meter("assistance")
        for metric in CATALOGUE:
            self._create(meter, metric)
        for name, labels in _FROM_THE_START.items():
            self._counts[name].update(dict.fromkeys(labels, 0))

    def request(self, topic: str, outcome: str) -> None:
        """Count one ask: `outcome` is a fixed word such as `created`, `follow_up`, `replayed`, `refused`."""
        self._count("assistance_requests_total", topic=topic, outcome=outcome)

    def accepted(self, seconds: float) -> None:
        """Time one accept, arrival to stable storage."""
        self._record("assistance_accept_seconds", seconds)

    def answered(self, status: int | None) -> None:
        """Count one answer by its status; None: there was none."""
        self._count("assistance_http_responses_total", status=str(status or "none"))

    def delivery(self, channel: str, outcome: str, reason: str | None, seconds: float) -> None:
        """Count and time one try: `reason` is one of `Reason`, None when it was delivered."""
        reason = reason or ""
        reason = reason if reason in _REASONS else _OTHER
        self._count("assistance_deliveries_total", channel=channel, outcome=outcome, reason=reason)
        self._record("assistance_delivery_seconds", seconds, channel=channel)

    def notified(self, topic: str, seconds: float) -> None:
        """Time from acceptance to the first person's channel that took it."""
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
        """Tell how many writes one commit carried; may be called from any thread."""
        self._record("assistance_commit_batch_size", size)

    def reloaded(self, *, successful: bool, at: float) -> None:
        """Tell how the last reading of the routing file went; `at` (epoch seconds) counts when it succeeded."""
        self._told["assistance_config_last_reload_successful"].set(int(successful))
        if successful:
            self._told["assistance_config_last_reload_timestamp_seconds"].set(at)

    def watch(self, name: str, gauge: Gauge) -> None:
        """Let `gauge` give the figures of `assistance_waiting` or another watched one of the catalogue.

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
        silent = (metric.head for metric in CATALOGUE if f"# TYPE {metric.name} ".encode() not in told)
        return told + b"".join(silent)

    def shutdown(self, timeout: float = 2.0) -> None:
        """Export what is left, for `timeout` seconds at most."""
        within(timeout, self._provider.shutdown)

    def _create(self, meter: Meter, metric: Metric) -> None:
        name, text = metric.name, metric.text
        if metric.type is Type.COUNTER:
            self._counts[name] = Counter()
            meter.create_observable_counter(name, [self._counted(metric)], description=text)
        elif metric.type is Type.HISTOGRAM:
            self._histograms[name] = meter.create_histogram(
                name, metric.unit, text, explicit_bucket_boundaries_advisory=metric.buckets
            )
        elif metric.type is Type.GAUGE:
            self._told[name] = meter.create_gauge(name, metric.unit, text)
        else:
            meter.create_observable_gauge(name, [self._observer(metric)], metric.unit, text)

    def _count(self, name: str, **labels: str) -> None:
        counts, values = self._counts[name], tuple(labels.values())
        if values not in counts:
            values = tuple(self._bounded(label, value) for label, value in labels.items())
        counts[values] += 1

    def _record(self, name: str, figure: float, **labels: str) -> None:
        # No labels are told as None: the instrument looks long at attributes, even at none of them.
        bounded = {label: self._bounded(label, value) for label, value in labels.items()} or None
        self._histograms[name].record(figure, bounded)

    def _counted(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Sequence[Observation]:
            # Copied in one step: the event loop goes on counting meanwhile.
            counts = list(self._counts[metric.name].items())
            return [Observation(count, dict(zip(metric.labels, values, strict=True))) for values, count in counts]

        return observe

    def _observer(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Sequence[Observation]:
            gauge = self._gauges.get(metric.name)
            figures = gauge() if gauge is not None else {}
            return [
                Observation(figure, {label: self._bounded(label, key) for label in metric.labels})
                for key, figure in figures.items()
            ]

        return observe

    def _bounded(self, label: str, value: str) -> str:
        known = self._known.setdefault(label, set())
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
