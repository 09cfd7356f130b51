"""The one call that a bot makes takes a way of its own from the layers to its endpoint."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request, Response
from opentelemetry import trace
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assistance.access.refusals import problem_of
from assistance.server.body import refuse_body, whole_body
from assistance.server.problems import problem_response

Endpoint = Callable[[Request], Awaitable[Response]]


class ShortCut:
    """Calls the endpoint of one route directly; all other calls go on to the router.

    Finding a route, solving its dependencies and the stacks around it cost more than all else that an accept does: see
    docs/decisions/0008-accept-path.md. The endpoint is declared as a route all the same, for the OpenAPI document; it
    takes the request alone and answers with a response. Its body is read at one go, within the limits for all bodies.

    Args:
        app: where all other calls go.
        path: the route's, without parameters.
        method: the route's.
        endpoint: what answers.
        body_seconds: from the end of the header to the end of the body.
    """

    def __init__(self, app: ASGIApp, *, path: str, method: str, endpoint: Endpoint, body_seconds: float) -> None:
        """See the class."""
        self._app = app
        self._path = path
        self._method = method
        self._endpoint = endpoint
        self._body_seconds = body_seconds
        self._route = Route(path, endpoint, methods=[method])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != self._method:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(f"{self._method} {self._path}")
            span.set_attribute("http.route", self._path)
        try:
            response = await self._endpoint(_Whole(scope, receive, self._body_seconds))
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            if problem.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                await refuse_body(problem, scope, receive, send)
                return
            response = problem_response(problem, scope)
        await response(scope, receive, send)


class _Whole(Request):
    """A request whose body is read at one go: the framework's stream of it costs as much as parsing it."""

    def __init__(self, scope: Scope, receive: Receive, body_seconds: float) -> None:
        super().__init__(scope, receive)
        self._body_seconds = body_seconds

    async def body(self) -> bytes:
        return await whole_body(self.scope, self.receive, seconds=self._body_seconds)
