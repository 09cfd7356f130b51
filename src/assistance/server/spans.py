"""The span of one call: which calls have one, what it may say, and how what is stored carries it on."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, TracerProvider, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from assistance.server.gate import HEALTH

# Either may hold what people wrote, or a signed link; `http.route` says where the call went.
_WITHHELD = frozenset({"url.path", "url.query"})
_NAME = "traceparent"
_propagator = TraceContextTextMapPropagator()


def untraced(scope: MutableMapping[str, Any]) -> bool:
    """Whether nobody wants to see a span of this call: health, heartbeats, metrics."""
    path = str(scope.get("path", "")).rstrip("/")
    return path in HEALTH or path.startswith("/heartbeat")


def traceparent(headers: Mapping[str, str]) -> str | None:
    """The W3C trace context for what follows from this call: of its span, else the one it came with, else None."""
    carrier: dict[str, str] = {}
    if get_current_span().get_span_context().is_valid:
        _propagator.inject(carrier)
    elif given := headers.get(_NAME):
        # Written anew from what was understood, so that nothing else is stored and sent on.
        _propagator.inject(carrier, _propagator.extract({_NAME: given}))
    return carrier.get(_NAME)


class Discreet(TracerProvider):
    """Spans of `provider` without the path and the query of the call."""

    def __init__(self, provider: TracerProvider) -> None:
        """See the class."""
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
