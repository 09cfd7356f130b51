"""The spans of the store: one for each transaction, however many calls it carries; none for the house's own upkeep."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace


def caller() -> trace.SpanContext:
    """The span in which the store is about to be called."""
    return trace.get_current_span().get_span_context()


@contextmanager
def transaction(
    tracer: trace.Tracer, system: str, callers: Iterable[trace.SpanContext], operation: str = "COMMIT"
) -> Iterator[None]:
    """While the transaction runs: a span below the first sampled caller's, linked to those of the others.

    Args:
        tracer: where the span goes.
        system: the database by its name in the semantic conventions, `sqlite` or `postgresql`.
        callers: the spans whose writes or questions the transaction carries.
        operation: what it does, and the span's name.
    """
    sampled = [each for each in callers if each.is_valid and each.trace_flags.sampled]
    if not sampled:
        yield
        return
    with tracer.start_as_current_span(
        operation,
        trace.set_span_in_context(trace.NonRecordingSpan(sampled[0])),
        trace.SpanKind.CLIENT,
        {"db.system.name": system, "db.operation.name": operation, "assistance.calls": len(sampled)},
        [trace.Link(each) for each in sampled[1:]],
        record_exception=False,
        # What a database says of a failure may quote what was to be stored.
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
