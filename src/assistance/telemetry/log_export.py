"""The same log events to a collector, in batches: what is on standard output, never more."""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber

from assistance.telemetry.lines import json_line
from assistance.telemetry.otlp import exporters, resource, sdk_environment, within

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_ELSEWHERE = frozenset({"timestamp", "level", "logger", "event", "trace_id", "span_id", "exception"})
# What the exporter itself has to say would feed it for ever.
_EXPORTERS = ("opentelemetry", "urllib3", "requests")


class LogExport:
    """Takes events from the log pipe and passes them on without waiting; the oldest go when nobody takes them."""

    def __init__(self, provider: LoggerProvider) -> None:
        """Pass events to `provider`."""
        self._provider = provider
        self._logger = provider.get_logger("assistance")

    def __call__(self, event: MutableMapping[str, Any]) -> None:
        """Take one event, as the log pipe has completed it."""
        if str(event["logger"]).startswith(_EXPORTERS):
            return
        plain: dict[str, Any] = json.loads(json_line(event))
        level = str(plain["level"])
        self._logger.emit(
            LogRecord(
                severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
                severity_text=level.upper(),
                body=plain["event"],
                attributes=_attributes(plain),
            )
        )

    def shutdown(self, timeout: float = 2.0) -> None:
        """Export what is left, for `timeout` seconds at most."""
        within(timeout, getattr(self._provider, "shutdown"))  # noqa: B009 - the SDK's, not the API's


def set_up_log_export(environ: Mapping[str, str], service_version: str) -> LogExport | None:
    """Build what the `OTEL_*` variables ask for; None when they ask for nothing.

    Raises:
        SettingsError: an exporter or a protocol is asked for that is not built in.
    """
    if "otlp" not in exporters(environ, "LOGS"):
        return None
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.sdk import _logs as sdk  # noqa: PLC0415
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415

    with sdk_environment(environ):
        provider = sdk.LoggerProvider(resource=resource(environ, service_version), shutdown_on_exit=False)
        provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return LogExport(provider)


def _attributes(event: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {"logger": event["logger"]}
    for name, value in event.items():
        if name not in _ELSEWHERE and value is not None:
            attributes[name] = value if isinstance(value, (str, bool, int, float)) else json.dumps(value)
    for failure in event.get("exception", [])[:1]:
        attributes["exception.type"] = failure["type"]
        attributes["exception.stacktrace"] = "\n".join(failure["frames"])
    return attributes
