"""What is refused from a request's header alone, and the one form that every path has behind it."""

from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from assistance.server.problems import Problem, problem_response

MAX_HEADER = 16_384
MAX_BODY = 192 * 1024
HEALTH = frozenset({"/livez", "/readyz", "/metrics", "/heartbeat"})
"""Paths that are answered however busy the process is, and that are logged at level debug."""


def closing(status: int, type_: str, detail: str, title: str | None = None) -> Problem:
    """A refusal that ends the connection: what the client still sends is not read."""
    return Problem(status, title, detail, type_=type_, headers={"Connection": "close"})


def malformed(detail: str) -> Problem:
    """The refusal of what is not proper HTTP."""
    return closing(400, "/problems/malformed-request", detail, "Malformed request")


def header_too_large() -> Problem:
    """The refusal of a header of more than `MAX_HEADER` bytes."""
    return closing(431, "/problems/header-too-large", "The header fields are larger than 16 KB.")


def body_too_large() -> Problem:
    """The refusal of a body of more than `MAX_BODY` bytes."""
    return closing(413, "/problems/body-too-large", "The body is larger than 192 KB.")


class Gate:
    """Lets in what is well formed and not too large, `max_concurrency` requests at once. `HEALTH` paths come on top.

    It also removes the slash at the end of a path, so that both forms reach the same route. An endpoint that waits
    long without working gives its slot back early by calling `scope["state"]["release"]`.
    """

    def __init__(self, app: ASGIApp, *, max_concurrency: int) -> None:
        self._app = app
        self._max_concurrency = max_concurrency
        self._slots: set[object] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path.endswith("/") and path != "/":
            scope["path"] = path = path[:-1]
            scope["raw_path"] = scope.get("raw_path", b"").removesuffix(b"/")
        problem = _objection(scope)
        if problem is None and path in HEALTH:
            await self._app(scope, receive, send)
            return
        if problem is None and len(self._slots) >= self._max_concurrency:
            problem = Problem(
                503,
                "Too busy",
                "The service is answering as many requests as it can. Try again.",
                type_="/problems/too-busy",
                headers={"Retry-After": "1"},
            )
        if problem is not None:
            await problem_response(problem, scope)(scope, receive, send)
            return
        slot = object()
        self._slots.add(slot)
        release = scope["state"]["release"] = partial(self._slots.discard, slot)
        try:
            await self._app(scope, receive, send)
        finally:
            release()


def _objection(scope: Scope) -> Problem | None:
    """What is wrong with the header. A Content-Length that is no number, or one of several, httptools refuses."""
    size = len(scope["raw_path"]) + len(scope["query_string"])
    hosts = length = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            length = int(value)
    if size > MAX_HEADER:
        return header_too_large()
    if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1"):
        return malformed("There must be one Host field.")
    return body_too_large() if length > MAX_BODY else None
