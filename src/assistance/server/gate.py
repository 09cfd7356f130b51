"""What is refused at the door, from the request's head alone, and the one form that every path takes."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network

from starlette.types import ASGIApp, Receive, Scope, Send

from assistance.server.addresses import client_address
from assistance.server.body import MAX_BODY, refuse_body, too_large
from assistance.server.problems import Problem, problem_response

MAX_HEADER = 16_384
HEALTH = frozenset({"/livez", "/readyz", "/metrics", "/heartbeat"})
"""Paths that answer however busy the process is, and that nobody wants to read about."""

# A second Authorization field is a matter of tokens, hence a 401.
_ONCE = frozenset({b"content-length", b"host"})
_HOST = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=:\[\]]*")


def header_too_large() -> Problem:
    """The refusal of a header block above `MAX_HEADER` bytes."""
    return Problem(
        431,
        detail="The header fields are larger than 16 KB.",
        type_="/problems/header-too-large",
        headers={"Connection": "close"},
    )


def malformed(detail: str) -> Problem:
    """The refusal of what is no proper HTTP."""
    return Problem(
        400, "Malformed request", detail, type_="/problems/malformed-request", headers={"Connection": "close"}
    )


class Gate:
    """Lets in what is well formed, not too large and not too much at once.

    It also takes the slash from the end of a path, so that both forms reach the same route, and replaces the peer's
    address in the scope by the client's own when a trusted proxy names it. `scope["state"]["leave"]` is for who waits
    inside for long: calling it gives the place to somebody else.

    Args:
        app: what is behind the gate.
        max_concurrency: requests at once; `HEALTH` paths come on top.
        trusted_proxies: whose `X-Forwarded-For` counts.
    """

    def __init__(
        self, app: ASGIApp, *, max_concurrency: int, trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    ) -> None:
        """See the class."""
        self._app = app
        self._max_concurrency = max_concurrency
        self._trusted_proxies = trusted_proxies
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        path = scope["path"]
        if path.endswith("/") and path != "/":
            scope["path"] = path = path[:-1]
            scope["raw_path"] = scope.get("raw_path", b"").removesuffix(b"/")
        refusal = _objection(scope)
        if refusal is not None:
            await refuse_body(refusal, scope, receive, send)
            return
        if self._trusted_proxies and scope["client"]:
            self._see_through_proxies(scope)
        if path in HEALTH:
            await self._app(scope, receive, send)
            return
        if self._inside >= self._max_concurrency:
            await problem_response(_busy(), scope)(scope, receive, send)
            return
        self._inside += 1
        # Who is only kept waiting for news leaves early, or a few patient callers would shut everybody out.
        leave = scope.setdefault("state", {})["leave"] = _Once(self._left)
        try:
            await self._app(scope, receive, send)
        finally:
            leave()

    def _left(self) -> None:
        self._inside -= 1

    def _see_through_proxies(self, scope: Scope) -> None:
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        peer, port = scope["client"]
        address = client_address(peer, forwarded, self._trusted_proxies)
        scope["client"] = (address, port if address == peer else 0)


class _Once:
    """Calls back the first time it is called."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def __call__(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


def _busy() -> Problem:
    return Problem(
        503,
        "Too busy",
        "The service is answering as many requests as it can. Try again.",
        type_="/problems/too-busy",
        headers={"Retry-After": "1"},
    )


def _objection(scope: Scope) -> Problem | None:
    size = len(scope["raw_path"]) + len(scope["query_string"])
    once: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        size += len(name) + len(value) + 4
        if name in _ONCE:
            if name in once:
                return malformed(f"The {name.decode().title()} field is there more than once.")
            once[name] = value
    if size > MAX_HEADER:
        return header_too_large()
    host = once.get(b"host")
    if host is None and scope["http_version"] == "1.1":
        return malformed("The Host field is missing.")
    if host is not None and not _HOST.fullmatch(host):
        return malformed("The Host field is not a host.")
    length = once.get(b"content-length", b"0")
    if not length.isdigit():
        return malformed("The Content-Length field is not a number.")
    return too_large() if int(length[:20]) > MAX_BODY else None
