"""Logs, traces and metrics: set up once by `app`, handed to the rooms that use them."""

from assistance.telemetry.log_export import LogExport, set_up_log_export
from assistance.telemetry.logs import Logs, set_up_logging
from assistance.telemetry.metrics import CONTENT_TYPE, Metrics, set_up_metrics
from assistance.telemetry.traces import Tracing, set_up_tracing

__all__ = [
    "CONTENT_TYPE",
    "LogExport",
    "Logs",
    "Metrics",
    "Tracing",
    "set_up_log_export",
    "set_up_logging",
    "set_up_metrics",
    "set_up_tracing",
]
