"""The outermost layer: gives each request its id, an answer whatever happens, and a line in the log."""

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
_log = structlog.get_logger("assistance.http")


def request_id_of(headers: Iterable[tuple[bytes, bytes]], clock: Clock) -> str:
    """The one `X-Request-ID` that was sent, 1 to 128 visible ASCII characters; else a new UUIDv7."""
    given = [value for name, value in headers if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return uuid7(clock.now())


class Envelope:
    """Gives each request its id, logs how it ended, and answers where no other layer did.

    Args:
        app: what is in the envelope.
        clock: for new ids.
        problem_of: the problem that answers an exception; None for a bug, which is logged and answered with 500.
        on_answer: called with the status of each answer, None where there was none; not for `HEALTH` paths.
        on_refusal: called for each request that was answered with a 4xx, whichever layer refused it.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        problem_of: Callable[[Exception], Problem | None] = lambda _error: None,
        on_answer: Callable[[int | None], None] = lambda _status: None,
        on_refusal: Callable[[Scope], None] = lambda _scope: None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._problem_of = problem_of
        self._on_answer = on_answer
        self._on_refusal = on_refusal
        # Bound once: a lazy logger binds itself anew at every line.
        self._log = _log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = request_id_of(scope["headers"], self._clock)
        scope["state"]["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        trace.get_current_span().set_attribute("request_id", request_id)
        status: int | None = None

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        begun = time.perf_counter()
        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            pass  # The client closed before its body was complete: there is no one to answer, and no failure of ours.
        except Exception as error:  # noqa: BLE001 - the last resort: no request may end without an answer
            problem = error if isinstance(error, Problem) else self._problem_of(error)
            if problem is None:
                _log.error("request failed", exc_info=error)
                problem = Problem(500)
            # Two answers: one that has begun stays as it is, and uvicorn closes the connection when it does not end.
            if status is None:
                await problem_response(problem, scope)(scope, receive, answer)
        finally:
            if scope["path"] not in HEALTH:
                self._on_answer(status)
            if status is not None and 400 <= status < 500:  # noqa: PLR2004
                self._on_refusal(scope)
            self._log_access(scope, status, time.perf_counter() - begun)

    def _log_access(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Log the route, never the path, the query or the body, which may hold what people wrote."""
        log = self._log.info
        if status is not None and status >= 500:  # noqa: PLR2004
            log = self._log.warning if status == 503 else self._log.error  # noqa: PLR2004
        elif scope["path"] in HEALTH:
            log = self._log.debug
        log(
            "request",
            method=scope["method"],
            route=route_of(scope),
            status=status,
            duration_ms=round(seconds * 1000, 3),
            client=scope["state"].get("client"),
        )


def route_of(scope: Scope) -> str | None:
    """The template of the route that answered, such as `/assistance/{id}`; None where no route did."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    return getattr(included, "path", None) or getattr(scope.get("route"), "path", None)
