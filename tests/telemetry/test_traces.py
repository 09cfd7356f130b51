"""Traces and logs to a collector: only when asked for, and never in anybody's way."""

import os
import time

import pytest
import structlog
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.telemetry.collector import collector

from assistance.settings import SettingsError
from assistance.telemetry import set_up_log_export, set_up_logging, set_up_tracing
from assistance.telemetry.otlp import exporters


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, {"otlp"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, {"otlp"}),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, set()),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, {"otlp"}),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, {"otlp", "console"}),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, set()),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, set()),
    ],
)
def test_nothing_is_exported_unless_an_endpoint_or_an_exporter_is_set(environ: dict[str, str], chosen: set[str]):
    """The standard variables decide, each signal on its own."""
    assert exporters(environ, "TRACES") == chosen


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_BSP_MAX_QUEUE_SIZE": "1"},
    ],
)
def test_what_is_not_built_in_is_refused_by_name(environ: dict[str, str]):
    """An exporter that we cannot serve stops the start, instead of losing traces silently."""
    with pytest.raises(SettingsError, match="OTEL_"):
        set_up_tracing(environ, "1.0")


def test_without_an_exporter_spans_cost_nothing():
    """The tracer is the one that does nothing, and no provider is there for the framework to use."""
    tracing = set_up_tracing({}, "1.0")
    assert tracing.provider is None
    with tracing.tracer("assistance").start_as_current_span("x") as span:
        assert not span.is_recording()
    tracing.shutdown()


def test_spans_reach_the_collector_named_as_the_environment_says():
    """Spans are exported at shutdown at the latest, with the resource of the variables and of the service."""
    with collector() as (url, received):
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"}
        tracing = set_up_tracing(environ, "1.2.3")
        with tracing.tracer("assistance.dispatch").start_as_current_span("send"):
            pass
        tracing.shutdown()
        path, body = received.get(timeout=5)
    assert path == "/v1/traces"
    (spans,) = ExportTraceServiceRequest.FromString(body).resource_spans
    attributes = {item.key: item.value.string_value for item in spans.resource.attributes}
    assert (attributes["service.name"], attributes["service.version"]) == ("assistance", "1.2.3")
    assert attributes["deployment.environment"] == "test"
    assert spans.scope_spans[0].spans[0].name == "send"


def test_the_sampler_of_the_environment_counts():
    """`OTEL_TRACES_SAMPLER` reaches the SDK even when only `.env` says it, and stays out of the process."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_SAMPLER": "always_off"}
    tracing = set_up_tracing(environ, "1.0")
    assert not tracing.tracer("assistance").start_span("x").is_recording()
    assert not environ.keys() & os.environ.keys()
    tracing.shutdown()


def test_a_collector_that_hangs_does_not_hold_up_the_end():
    """The shutdown returns after its time, whatever the collector does."""
    with collector(hanging=True) as (url, _):
        tracing = set_up_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, "1.0")
        tracing.tracer("assistance").start_span("x").end()
        begun = time.monotonic()
        tracing.shutdown(0.3)
        assert time.monotonic() - begun < 1


def test_log_lines_reach_the_collector_as_they_are_on_standard_output():
    """A log event goes out with its severity, body and fields; an exception without its text."""
    with collector() as (url, received):
        export = set_up_log_export({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, "1.0")
        assert export is not None
        nowhere = os.open(os.devnull, os.O_WRONLY)
        logs = set_up_logging(form="json", level="info", fd=nowhere, export=export)
        structlog.contextvars.clear_contextvars()
        structlog.get_logger("assistance.x").warning("parked", channel="slack", exc_info=ValueError("canary"))
        structlog.get_logger("opentelemetry.sdk").warning("not again")
        export.shutdown()
        logs.close()
        os.close(nowhere)
        path, body = received.get(timeout=5)
    assert path == "/v1/logs"
    assert b"canary" not in body
    (resource,) = ExportLogsServiceRequest.FromString(body).resource_logs
    (record,) = resource.scope_logs[0].log_records
    attributes = {item.key: item.value.string_value for item in record.attributes}
    assert (record.severity_text, record.body.string_value) == ("WARNING", "parked")
    assert attributes == {
        "logger": "assistance.x",
        "channel": "slack",
        "exception.type": "ValueError",
        "exception.stacktrace": "",
    }


def test_without_an_endpoint_no_log_is_exported():
    """By default logs are on standard output only."""
    assert set_up_log_export({}, "1.0") is None
