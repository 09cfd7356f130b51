"""An OpenTelemetry collector on loopback that parses OTLP over HTTP: real protobuf, three signals."""

import asyncio
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class OtlpReceiver:
    """Keeps the spans, log records and metric names that it gets; while `hanging`, it never answers.

    While `deaf` it answers without parsing: in a test that measures, parsing takes the same processor's time.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.logs: list[LogRecord] = []
        self.metrics: set[str] = set()
        self.bodies: list[bytes] = []
        self.hanging = False
        self.deaf = False
        self.calls = 0
        self._release = asyncio.Event()

    @property
    def environ(self) -> dict[str, str]:
        """Settings that make a service export everything here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BLRP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def strings(self) -> Iterator[str]:
        """All text of all spans, to search for canaries."""
        for span in self.spans:
            yield str(span)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/{signal}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release.set()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        # Deaf, it keeps nothing: hanging calls would add to the memory that a test measures.
        body = b"" if self.deaf else await request.read()
        async for _ in request.content.iter_any():
            pass
        self.calls += 1
        if self.hanging:
            await self._release.wait()
        if self.deaf:
            return web.Response(content_type="application/x-protobuf")
        self.bodies.append(body)
        getattr(self, f"_take_{request.match_info['signal']}")(body)
        return web.Response(content_type="application/x-protobuf")

    def _take_traces(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def _take_logs(self, body: bytes) -> None:
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                self.logs += scope.log_records

    def _take_metrics(self, body: bytes) -> None:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics |= {metric.name for metric in scope.metrics}


def attributes(span: Span | LogRecord) -> dict[str, Any]:
    """Name and value of each attribute."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes}
