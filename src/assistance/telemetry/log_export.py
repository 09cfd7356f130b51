"""The same log events to a collector, in batches: what is on standard output, never more."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord, SeverityNumber
from structlog.typing import EventDict

from assistance.telemetry.lines import json_line
from assistance.telemetry.otlp import exporters, resource, sdk_environment, within

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_NOT_ATTRIBUTES = frozenset({"timestamp", "level", "event", "trace_id", "span_id", "exception"})
# Endless loop: the lines of the exporter itself would be exported again.
_EXPORTERS = ("opentelemetry", "urllib3", "requests")


class LogExport:
    """A structlog processor that passes each event on without blocking; a full queue drops the oldest."""

    def __init__(self, provider: "LoggerProvider") -> None:
        self._provider = provider
        self._logger = provider.get_logger("assistance")

    def __call__(self, _logger: object, level: str, event: EventDict) -> EventDict:
        """Export the event and return it as it is."""
        if not str(event["logger"]).startswith(_EXPORTERS):
            plain: dict[str, Any] = json.loads(json_line(event))
            self._logger.emit(
                LogRecord(
                    severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
                    severity_text=level.upper(),
                    body=plain["event"],
                    attributes=_attributes(plain),
                )
            )
        return event

    def shutdown(self, timeout: float = 2.0) -> None:
        """Export what is left, for `timeout` seconds at most."""
        within(timeout, self._provider.shutdown)


def set_up_log_export(environ: Mapping[str, str], service_version: str) -> LogExport | None:
    """Build what the `OTEL_*` variables ask for; None when they ask for nothing.

    Raises:
        SettingsError: an exporter or a protocol is asked for that is not built in.
    """
    if "otlp" not in exporters(environ, "LOGS"):
        return None
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415

    with sdk_environment(environ):
        provider = LoggerProvider(resource=resource(environ, service_version), shutdown_on_exit=False)
        provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return LogExport(provider)


def _attributes(event: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        name: value if isinstance(value, (str, bool, int, float)) else json.dumps(value)
        for name, value in event.items()
        if name not in _NOT_ATTRIBUTES and value is not None
    }
    for failure in event.get("exception", [])[:1]:
        attributes["exception.type"] = failure["type"]
        attributes["exception.stacktrace"] = "\n".join(failure["frames"])
    return attributes
