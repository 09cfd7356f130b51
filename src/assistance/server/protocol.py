"""HTTP on the wire: uvicorn's protocol, with limits to what a client may send and to how long it may take."""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import Message
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from assistance.model import Clock
from assistance.server.envelope import request_id_of
from assistance.server.gate import MAX_BODY, MAX_HEADER, body_too_large, closing, header_too_large, malformed
from assistance.server.problems import MEDIA_TYPE, Problem

_LINGER_SECONDS = 2.0
_log = structlog.get_logger("assistance.http")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds for which a connection waits for its client.

    Args:
        header: from the opening of the connection, or the first byte of its next request, to the end of the header.
        body: from the end of the header to the end of the body.
        unread: without any progress, once so much of an answer is unread that no more can be sent.
    """

    header: float = 10.0
    body: float = 10.0
    unread: float = 10.0


class ConnectionState(ServerState):
    """What all connections of one server share: uvicorn's fields, and whether the server is about to stop."""

    retiring = False
    """Once it is set, every answer closes its connection."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection.

    A client that is too slow, sends too much or sends no HTTP is answered with a problem and the connection is closed.
    Before the header is complete the answer is written here. Afterwards the application answers: its next `receive()`
    raises the problem, so that log, metrics and span of the request know of it.
    """

    server_state: ConnectionState

    def __init__(self, config: Config, state: ConnectionState, clock: Clock, limits: TimeLimits) -> None:
        """`clock` is for the ids of requests that never reach the application."""
        super().__init__(config, state, {})
        self._clock = clock
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._in_header = False
        self._in_body = False
        self._header_bytes = 0
        self._body_bytes = 0
        self._problem: Problem | None = None
        self._closing = False
        self._discarding = False

    @property
    def expected(self) -> bool:
        """Whether a request is due: the connection is new, or in the middle of a header."""
        return (self._newest is None or self._in_header) and not self._discarding and not self.transport.is_closing()

    @property
    def _newest(self) -> RequestResponseCycle | None:
        """The request whose header came last. Uvicorn types it as always there."""
        return self.cycle

    @property
    def _answering(self) -> bool:
        return self._newest is not None and not self._newest.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_deadline()
        self._stop_unread()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """See `asyncio.Protocol`. A client may close its direction after a whole request and still read the answer."""
        owed = self._answering and not self.cycle.more_body and not self.cycle.response_started
        if owed:
            self.cycle.keep_alive = False
        return owed

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`. A client that reads nothing would occupy a slot of the gate for ever."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._limits.unread, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        self._stop_unread()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._discarding:
            return
        super().data_received(data)
        if self._in_header:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER:
                self._refuse(header_too_large())
        # Bytes that begin no request, such as empty lines, end uvicorn's keep-alive time and get a deadline too.
        idle = not self._answering and self.timeout_keep_alive_task is None
        if self._deadline is None and (self._in_header or self._in_body or idle):
            self._start_deadline()

    def on_message_begin(self) -> None:
        """See httptools."""
        self._in_header = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools. The trailer of a chunked body comes here too, and is dropped."""
        if self._in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self._discarding:  # It came in one piece with the end of a body that is too large.
            return
        super().on_headers_complete()
        self._in_header, self._in_body = False, True
        self._body_bytes = 0
        self._stop_deadline()
        if self.server_state.retiring:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY:
            self._refuse(body_too_large())
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._in_body = False
        self._stop_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        if self._closing:
            self.pipeline.clear()
        super().on_response_complete()
        if self._closing:
            self._half_close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's text is not ours to pass on
        """Answer what httptools could not read."""
        self._refuse(malformed("This is not HTTP/1.1, or its method is not known here."))

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: an unsupported upgrade is ignored (RFC 9110, section 7.8), and any client may send one."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Callable[..., Any]) -> None:
        super()._start_asgi_task(cycle, functools.partial(self._run, cycle, app))

    async def _run(
        self, cycle: RequestResponseCycle, app: Callable[..., Any], scope: Any, receive: Any, send: Any
    ) -> None:
        """Call the application; HEAD is GET for it (RFC 9110, section 9.3.2), and uvicorn leaves out the content."""

        async def body() -> Message:
            message: Message = await receive()
            if self._problem is not None and cycle is self._newest:
                raise self._problem
            return message

        async def answer(message: Message) -> None:
            await send(message)
            last = message["type"] == "http.response.start" and not cycle.keep_alive
            if last and (self._in_body or self._discarding):
                # Lost answer: uvicorn would close with its last byte. See `_half_close`.
                cycle.keep_alive = self._closing = True

        await app({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope, body, answer)

    def _start_deadline(self) -> None:
        seconds = self._limits.body if self._in_body else self._limits.header
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_late(self) -> None:
        if self.flow.read_paused:  # The client does not wait for us to read: the request before this one is under way.
            self._start_deadline()
        elif self._in_body:
            self._refuse(closing(408, "/problems/body-too-slow", "The body did not arrive in time."))
        elif self._in_header:
            self._refuse(closing(408, "/problems/header-too-slow", "The header did not arrive in time."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Read no more from this connection, answer with `problem` where nothing else is the answer, and close."""
        if self._discarding or self.transport.is_closing():
            return
        self._discarding = True
        self._stop_deadline()
        self.flow.resume_reading()
        if not self._answering:
            # Two answers to one request: it may be answered already, before its body was complete.
            if not self._in_body:
                self.transport.write(self._answer(problem))
            self._half_close()
            return
        if self._in_body:
            self._problem = problem
            self.cycle.message_event.set()
        self._in_header = self._in_body = False
        if self.cycle.response_started:
            self._closing = True
        else:
            self.cycle.keep_alive = False

    def _half_close(self) -> None:
        """Send the end of the answer, then drop what comes until the client closes or `_LINGER_SECONDS` are over.

        Lost answer: closing with bytes unread resets the connection, and a reset may overtake what was written
        (RFC 9112, section 9.6).
        """
        self._discarding = True
        self._stop_deadline()
        if not self.transport.is_closing():
            self.transport.write_eof()
            self._deadline = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _answer(self, problem: Problem) -> bytes:
        headers: list[tuple[bytes, bytes]] | None = self.headers
        request_id = request_id_of(headers or (), self._clock)
        _log.info("request", status=problem.status_code, route=None, client=None, request_id=request_id)
        body = problem.body(request_id)
        fields = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(body)),
            "x-request-id": request_id,
            **(problem.headers or {}),
        }
        lines = [name + b": " + value for name, value in self.server_state.default_headers]
        lines += [f"{name.lower()}: {value}".encode("ascii") for name, value in fields.items()]
        return STATUS_LINE[problem.status_code] + b"\r\n".join(lines) + b"\r\n\r\n" + body
