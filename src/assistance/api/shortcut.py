"""`POST /assistance` goes from our own layers to its endpoint, past the router."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from opentelemetry import trace
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class ShortCut:
    """Calls the endpoint of one route directly; all other requests go on to the router.

    Finding a route, solving its dependencies and the stacks around it cost more than all else in an accept: see
    docs/decisions/0008-accept-path.md. The endpoint is declared as a route too, for the OpenAPI document. Its
    exceptions are answered by the envelope.

    Args:
        app: where all other requests go.
        path: the route's, without parameters.
        endpoint: what answers a POST.
    """

    def __init__(self, app: ASGIApp, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint
        self._route = Route(path, endpoint, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(f"POST {self._path}")
            span.set_attribute("http.route", self._path)
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)
