"""HTTP on the wire: what a client may not do before it has sent a whole header."""

import asyncio
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from assistance.model import Clock
from assistance.server.body import BODY_IS_HERE
from assistance.server.envelope import request_id_of
from assistance.server.gate import MAX_HEADER, header_too_large, malformed
from assistance.server.gathering import Gathering
from assistance.server.problems import MEDIA_TYPE, Problem

HEADER_SECONDS = 10.0
UNREAD_SECONDS = 10.0
_LINGER_SECONDS = 1.0
_log = structlog.get_logger("assistance.http")


class GuardedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, with a limit to the size of a header, to the time it may take, and to patience with answers.

    A connection must bring a whole header within `header_seconds` of being opened, or of its next request's first
    byte; one that rests between two requests is closed by uvicorn after its keep-alive time. The time that a body may
    take is the application's business. A client that leaves so much unread that no more can be sent is cut off when it
    has not read on for `unread_seconds`: its answer would keep a place at the gate for as long as it likes.

    Args:
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: uvicorn's.
        clock: for the ids of requests that never became one.
        retiring: set once the server wants its clients to go: every answer then closes its connection.
        header_seconds: see above.
        unread_seconds: see above.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        clock: Clock,
        retiring: asyncio.Event,
        header_seconds: float = HEADER_SECONDS,
        unread_seconds: float = UNREAD_SECONDS,
    ) -> None:
        """See the class."""
        super().__init__(config, server_state, app_state, _loop)
        self._clock = clock
        self._retiring = retiring
        self._header_seconds = header_seconds
        self._unread_seconds = unread_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._in_header = False
        self._header_bytes = 0
        self._refused = False

    @property
    def expected(self) -> bool:
        """Whether it was opened for a request, or is in the middle of a header, that is not there yet."""
        # Uvicorn types the cycle as always there; it is None until the first request.
        cycle: RequestResponseCycle | None = self.cycle
        return (cycle is None or self._in_header) and not self._refused and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(Gathering(transport, self.loop))
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_deadline()
        self._read_on()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """See `asyncio.Protocol`. Whoever has sent a whole request and says no more still hears the answer."""
        answered = self._answering() and not self.cycle.more_body and not self.cycle.response_started
        if answered:
            self.cycle.keep_alive = False
        else:
            # By ourselves: the event loop would not know of what this turn has still to write.
            self.transport.close()
        return answered

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._refused:
            return
        super().data_received(data)
        if self._in_header:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER:
                self._refuse(header_too_large())
        # Bytes that begin no request, such as empty lines, must not keep a connection either.
        if self._deadline is None and (self._in_header or self._resting()):
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
        self._in_header = False
        self._stop_deadline()
        super().on_headers_complete()
        if self._retiring.is_set():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """See httptools. Whoever reads the body may then do so without minding the time: `BODY_IS_HERE`."""
        self.scope["state"][BODY_IS_HERE] = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's text is not ours to pass on
        """Answer what httptools could not read."""
        self._refuse(malformed("This is not HTTP/1.1, or its method is not known here."))

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: an upgrade that is not wanted is ignored (RFC 9110, section 7.8), and any caller may ask."""

    def _resting(self) -> bool:
        return not self._answering() and self.timeout_keep_alive_task is None

    def _answering(self) -> bool:
        # Uvicorn types these as always there; they are None until the first request.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self._header_seconds, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_late(self) -> None:
        if self._in_header:
            self._refuse(
                Problem(
                    408,
                    detail="The header did not arrive in time.",
                    type_="/problems/header-too-slow",
                    headers={"Connection": "close"},
                )
            )
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer in place of the application, where that is no second answer to one request, and close.

        The connection stays half open for a moment: closing it with bytes unread would reset it, and a reset may
        overtake the answer (RFC 9112, section 9.6).
        """
        self._refused = True
        self._stop_deadline()
        if self.transport.is_closing():
            return
        if not self._take_over():
            self.transport.close()
            return
        self.transport.write(self._answer(problem))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _take_over(self) -> bool:
        """Whether the next answer may be ours; the application then has no say in the request that it is about."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or self._in_header:
            return not self._answering()
        # Of a request whose body is whole the application may have stored something: what became of it is its to say.
        if not cycle.more_body or cycle.response_started or self.pipeline:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True

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
