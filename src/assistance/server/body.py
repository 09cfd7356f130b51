"""How much body is read, and for how long."""

import asyncio
import contextlib

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistance.server.problems import Problem, problem_response

MAX_BODY = 192 * 1024
BODY_SECONDS = 10.0
_LINGER_SECONDS = 2.0
BODY_IS_HERE = "body_is_here"
"""What the server sets in the scope's state once the body has come as a whole: no deadline is needed to read it."""


def too_large() -> Problem:
    """The refusal of a body above `MAX_BODY` bytes."""
    return Problem(
        413, detail="The body is larger than 192 KB.", type_="/problems/body-too-large", headers={"Connection": "close"}
    )


def _too_slow() -> Problem:
    return Problem(
        408,
        detail="The body did not arrive in time.",
        type_="/problems/body-too-slow",
        headers={"Connection": "close"},
    )


class BodyLimits:
    """Stops a body that is too large, or that does not arrive in time, whoever reads it.

    Args:
        app: what reads the body.
        most: bytes.
        seconds: from the end of the header to the end of the body.
    """

    def __init__(self, app: ASGIApp, *, most: int = MAX_BODY, seconds: float = BODY_SECONDS) -> None:
        """See the class."""
        self._app = app
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if not any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._most, asyncio.get_running_loop().time() + self._seconds)

        async def answer(message: Message) -> None:
            if body.overflowed and message["type"] == "http.response.body" and not message.get("more_body"):
                await _end_with_patience(message, receive, send)
            else:
                await send(message)

        await self._app(scope, body, answer)


class _Body:
    """The body as the application receives it, counted and timed."""

    __slots__ = ("_complete", "_deadline", "_most", "_receive", "_size", "overflowed")

    def __init__(self, receive: Receive, most: int, deadline: float) -> None:
        self._receive = receive
        self._most = most
        self._deadline = deadline
        self._size = 0
        self._complete = False
        self.overflowed = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise _too_slow() from None
        self._complete = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            self.overflowed = True
            raise too_large()
        return message


async def whole_body(scope: Scope, receive: Receive, *, seconds: float = BODY_SECONDS) -> bytes:
    """Read a body of `MAX_BODY` bytes at most that arrives within `seconds`.

    Raises:
        Problem: 413 or 408.
        ClientDisconnect: the client left before its body was whole.
    """
    if scope["state"].get(BODY_IS_HERE):
        return await _rest_of_body(receive)
    try:
        async with asyncio.timeout(seconds):
            return await _rest_of_body(receive)
    except TimeoutError:
        raise _too_slow() from None


async def _rest_of_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


async def refuse_body(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Send `problem` to a client that is about to send, or still sends, a body that nobody will read."""
    response = problem_response(problem, scope)
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await _end_with_patience({"type": "http.response.body", "body": response.body}, receive, send)


async def _end_with_patience(last: Message, receive: Receive, send: Send) -> None:
    """Send the `last` part of an answer, but keep the connection a moment for the client to stop sending.

    A connection that is closed with bytes unread is reset, and a reset may overtake the answer (RFC 9112, section 9.6).
    """
    await send({**last, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})
