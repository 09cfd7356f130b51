"""Spans: exported when the environment says where to, and free of cost when it does not."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry.trace import NoOpTracer, Tracer

from assistance.telemetry.otlp import exporters, resource, sdk_environment, within

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


class Tracing:
    """Where tracers come from.

    Args:
        provider: None when nothing is exported; FastAPI's own telemetry takes it as `tracer_provider`.
    """

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self.provider = provider

    def tracer(self, name: str) -> Tracer:
        """The tracer of one room."""
        return NoOpTracer() if self.provider is None else self.provider.get_tracer(name)

    def shutdown(self, timeout: float = 2.0) -> None:
        """Export what is left, for `timeout` seconds at most."""
        if self.provider is not None:
            within(timeout, self.provider.shutdown)
            self.provider = None


def set_up_tracing(environ: Mapping[str, str], service_version: str) -> Tracing:
    """Build what the `OTEL_*` variables ask for: in batches, from a thread of its own.

    Raises:
        SettingsError: an exporter or a protocol is asked for that is not built in.
    """
    chosen = exporters(environ, "TRACES")
    if not chosen:
        return Tracing()
    # Start time and memory: imported only when something is exported.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415

    with sdk_environment(environ):
        provider = TracerProvider(resource=resource(environ, service_version), shutdown_on_exit=False)
        if "otlp" in chosen:
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        if "console" in chosen:
            one_line = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
            provider.add_span_processor(BatchSpanProcessor(one_line))
    return Tracing(provider)
