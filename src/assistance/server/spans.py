"""The span of one request: which requests have one, what it may hold, and how it continues in what is stored."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, TracerProvider, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from assistance.server.gate import HEALTH

# Either may hold what people wrote, or a signed link; `http.route` is there instead.
_WITHHELD = frozenset({"url.path", "url.query"})
_NAME = "traceparent"
_propagator = TraceContextTextMapPropagator()


def untraced(scope: MutableMapping[str, Any]) -> bool:
    """Whether this request has no span: health checks, heartbeats and metrics come every few seconds."""
    path = str(scope.get("path", "")).rstrip("/")
    return path in HEALTH or path.startswith("/heartbeat")


def traceparent(headers: Mapping[str, str]) -> str | None:
    """The W3C trace context to store with this request: its span's, else the one it came with, else None."""
    carrier: dict[str, str] = {}
    if get_current_span().get_span_context().is_valid:
        _propagator.inject(carrier)
    elif given := headers.get(_NAME):
        # Written anew from what was parsed, so that nothing else is stored and sent on.
        _propagator.inject(carrier, _propagator.extract({_NAME: given}))
    return carrier.get(_NAME)


class Discreet(TracerProvider):
    """Gives spans of `provider` without the path and the query of the request."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **options: Any) -> Tracer:
        """See `TracerProvider`."""
        return _DiscreetTracer(self._provider.get_tracer(*args, **options))


class _DiscreetTracer(Tracer):
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start_span(self, name: str, context: Context | None = None, *args: Any, **options: Any) -> Span:
        attributes = options.get("attributes") or {}
        options["attributes"] = {name: value for name, value in attributes.items() if name not in _WITHHELD}
        return self._tracer.start_span(name, context, *args, **options)

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **options)
