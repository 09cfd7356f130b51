"""The layer around the application: an id for each request, an answer whatever happens, a line in the log."""

import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

import structlog
from opentelemetry import trace
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistance.model import Clock, uuid7
from assistance.server.gate import HEALTH, objection, too_busy
from assistance.server.problems import Problem, problem_response

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_log = structlog.get_logger("assistance.http")


def request_id_of(headers: Iterable[tuple[bytes, bytes]], clock: Clock) -> str:
    """The one `X-Request-ID` that was sent, 1 to 128 visible ASCII characters; else a new UUIDv7."""
    given = [value for name, value in headers if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return uuid7(clock.now())


@dataclass(frozen=True, slots=True)
class ShortCut:
    """The one endpoint that is called past the router, which costs more than all else in an accept.

    See docs/decisions/0008-accept-path.md. It answers a POST to `path`, and is declared as a route too, for the OpenAPI
    document.
    """

    path: str
    endpoint: Callable[[Request], Awaitable[Response]]


class Envelope:
    """Gives each request its id, refuses what may not come in, logs how it ended, and answers where nothing else did.

    It also removes the slash at the end of a path, so that both forms reach the same route. An endpoint that waits
    long without working gives its slot back early by calling `scope["state"]["release"]`.

    Args:
        app: what is in the envelope.
        clock: for new ids.
        max_concurrency: requests at once; `HEALTH` paths come on top.
        short_cut: what is called past `app`.
        problem_of: the problem that answers an exception; None for a bug, which is logged and answered with 500.
        on_answer: called with the status of each answer, None where there was none; not for `HEALTH` paths.
        on_refusal: called for each request that was answered with a 4xx, whichever room refused it.
    """

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        *,
        max_concurrency: int,
        short_cut: ShortCut | None = None,
        problem_of: Callable[[Exception], Problem | None] = lambda _error: None,
        on_answer: Callable[[int | None], None] = lambda _status: None,
        on_refusal: Callable[[Scope], None] = lambda _scope: None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._max_concurrency = max_concurrency
        self._short_cut = short_cut
        self._short_route = Route(short_cut.path, short_cut.endpoint, methods=["POST"]) if short_cut else None
        self._problem_of = problem_of
        self._on_answer = on_answer
        self._on_refusal = on_refusal
        self._slots: set[object] = set()
        # Bound once: a lazy logger binds itself anew at every line.
        self._log = _log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = request_id_of(scope["headers"], self._clock)
        state, slot, begun = scope["state"], object(), time.perf_counter()
        state["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        trace.get_current_span().set_attribute("request_id", request_id)
        status: int | None = None

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        try:
            if (refusal := self._let_in(scope, slot)) is not None:
                await problem_response(refusal, scope)(scope, receive, answer)
            elif (short := self._short_cut) and scope["path"] == short.path and scope["method"] == "POST":
                self._name(scope)
                response = await short.endpoint(Request(scope, receive))
                await response(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except ClientDisconnect:
            pass  # The client closed before its body was complete: there is no one to answer, and no failure of ours.
        except Exception as error:  # noqa: BLE001 - the last resort: no request may end without an answer
            # Memory: no name here keeps the error, or each refusal is a cycle that waits for the garbage collector.
            response = problem_response(self._answer_to(error), scope)
            # Two answers: one that has begun stays as it is, and uvicorn closes the connection when it does not end.
            if status is None:
                await response(scope, receive, answer)
        finally:
            self._slots.discard(slot)
            if scope["path"] not in HEALTH:
                self._on_answer(status)
            if status is not None and 400 <= status < 500:  # noqa: PLR2004
                self._on_refusal(scope)
            self._log_access(scope, status, time.perf_counter() - begun)

    def _answer_to(self, error: Exception) -> Problem:
        problem = error if isinstance(error, Problem) else self._problem_of(error)
        if problem is None:
            _log.error("request failed", exc_info=error)
        return problem or Problem(500)

    def _let_in(self, scope: Scope, slot: object) -> Problem | None:
        """Give the request its slot, and its path the one form that routes know; why not, or None."""
        path = scope["path"]
        if path.endswith("/") and path != "/":
            scope["path"] = path = path[:-1]
            scope["raw_path"] = scope.get("raw_path", b"").removesuffix(b"/")
        if (problem := objection(scope)) is not None:
            return problem
        if path in HEALTH:
            return None
        if len(self._slots) >= self._max_concurrency:
            return too_busy()
        self._slots.add(slot)
        scope["state"]["release"] = partial(self._slots.discard, slot)
        return None

    def _name(self, scope: Scope) -> None:
        """Do what the router does for other requests: name the route, for the log and the span."""
        scope["route"] = self._short_route
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(f"POST {scope['path']}")
            span.set_attribute("http.route", scope["path"])

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
