"""The one call that a bot makes takes a way of its own from the layers to its endpoint."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from opentelemetry import trace
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assistance.http.problems import Problem, problem_response, store_unavailable
from assistance.store import StoreUnavailableError

Endpoint = Callable[[Request], Awaitable[Response]]


class ShortCut:
    """Calls the endpoint of one route directly; all other calls go on to the router.

    Finding a route, solving its dependencies and the stacks around it cost more than all else that an accept does: see
    docs/decisions/0008-accept-path.md. The endpoint is declared as a route all the same, for the OpenAPI document; it
    takes the request alone and answers with a response.

    Args:
        app: where all other calls go.
        path: the route's, without parameters.
        method: the route's.
        endpoint: what answers.
    """

    def __init__(self, app: ASGIApp, *, path: str, method: str, endpoint: Endpoint) -> None:
        """See the class."""
        self._app = app
        self._path = path
        self._method = method
        self._endpoint = endpoint
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
            response = await self._endpoint(Request(scope, receive))
        except Problem as problem:
            response = problem_response(problem, scope)
        except StoreUnavailableError:
            response = problem_response(store_unavailable(), scope)
        await response(scope, receive, send)
