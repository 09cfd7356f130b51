"""The outermost layer: each request gets its id, an answer whatever happens, and a line in the log."""

import re
import time
from collections.abc import Callable, Iterable

import structlog
from opentelemetry import trace
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistance.model import Clock, uuid7
from assistance.server.gate import HEALTH
from assistance.server.problems import Problem, problem_response

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_REFUSED = 400
_FAILED = 500
_OVERLOADED = 503
_log = structlog.get_logger("assistance.http")


def request_id_of(headers: Iterable[tuple[bytes, bytes]], clock: Clock) -> str:
    """The one `X-Request-ID` that was sent, 1 to 128 visible ASCII characters; else a new UUIDv7."""
    given = [value for name, value in headers if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return uuid7(clock.now())


class Envelope:
    """Gives each request its id, tells what became of it, and answers when all else fails.

    Args:
        app: what is in the envelope.
        clock: for new ids.
        on_answer: hears the status of each answer, None where there was none; health paths apart.
        on_refusal: hears of each request that was answered with a 4xx, whoever refused it.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        on_answer: Callable[[int | None], None] = lambda _status: None,
        on_refusal: Callable[[Scope], None] = lambda _scope: None,
    ) -> None:
        """See the class."""
        self._app = app
        self._clock = clock
        self._on_answer = on_answer
        self._on_refusal = on_refusal
        # Bound once: a lazy logger binds itself anew at every line.
        self._log = _log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope["headers"], self._clock)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        trace.get_current_span().set_attribute("request_id", request_id)
        answer = _Answer(send, request_id)
        begun = time.perf_counter()
        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            pass  # It left before its body was whole: there is nobody to answer, and nothing has failed here.
        except Exception as error:  # noqa: BLE001 - the last resort: nothing may end without an answer
            await _last_resort(error, scope, receive, answer)
        finally:
            if scope["path"] not in HEALTH:
                self._on_answer(answer.status)
            if answer.status is not None and _REFUSED <= answer.status < _FAILED:
                self._on_refusal(scope)
            self._tell(scope, answer.status, time.perf_counter() - begun)

    def _tell(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Write the access log: the route, never the path, the query or the body, which may hold what people wrote."""
        tell = self._log.info
        if status is not None and status >= _FAILED:
            tell = self._log.warning if status == _OVERLOADED else self._log.error
        elif scope["path"] in HEALTH:
            tell = self._log.debug
        tell(
            "request",
            method=scope["method"],
            route=route_of(scope),
            status=status,
            duration_ms=round(seconds * 1000, 3),
            client=scope["state"].get("client"),
        )


class _Answer:
    """The way back: notes the status, adds the request's id."""

    __slots__ = ("_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode("ascii")
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id)]
        await self._send(message)


async def _last_resort(error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
    problem = error if isinstance(error, Problem) else Problem(500)
    if problem is not error:
        _log.error("request failed", exc_info=error)
    # An answer that has begun cannot be taken back; the server closes the connection when it does not end.
    if answer.status is None:
        await problem_response(problem, scope)(scope, receive, answer)


def route_of(scope: Scope) -> str | None:
    """The template of the route that took the request, such as `/assistance/{id}`; None when none did."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    return getattr(included, "path", None) or getattr(scope.get("route"), "path", None)
