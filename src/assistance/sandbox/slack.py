"""A fake Slack Web API on loopback: https://docs.slack.dev/apis/web-api/."""

import asyncio
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

from assistance.model.clock import Clock, SystemClock
from assistance.sandbox.faults import Faults, hang, reset
from assistance.sandbox.inbox import Inbox
from assistance.sandbox.slack_workspace import Answer, SlackMessage, Workspace

_SYSTEM_CLOCK = SystemClock()
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one call. What is not given is as it would be.

    `status` is the HTTP status, `error` Slack's name of it (with HTTP 200 unless `status` says otherwise),
    `retry_after` seconds; `raw` answers these bytes; `hang` waits that many seconds, True until the caller gives up;
    `drop` resets the connection instead of answering. A `hang` alone only delays. `after_accept` lets the call do its
    work first, so that the caller cannot know.
    """

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    hang: float | Literal[True] | None = None
    raw: bytes | None = None
    drop: bool = False
    after_accept: bool = False

    @property
    def delays_only(self) -> bool:
        """Whether the usual answer comes after all, late."""
        answers = (self.status, self.error, self.retry_after, self.raw)
        return not self.drop and all(part is None for part in answers)

    @property
    def verdict(self) -> str:
        """What `SlackCall.verdict` says of it."""
        if self.drop or self.delays_only:
            return "drop" if self.drop else "hang"
        return self.error or (str(self._status) if self.raw is None else "raw")

    @property
    def _status(self) -> int:
        return self.status or (200 if self.retry_after is None else 429)

    def answer(self) -> web.Response:
        """The answer that it gives in Slack's place."""
        headers = {} if self.retry_after is None else {"Retry-After": str(math.ceil(self.retry_after))}
        if self.raw is not None:
            return web.Response(body=self.raw, status=self._status, headers=headers)
        error = self.error or ("ratelimited" if self._status == web.HTTPTooManyRequests.status_code else None)
        if error is None:
            return web.Response(text="upstream trouble", status=self._status, headers=headers)
        return _json({"ok": False, "error": error}, self._status, headers)


@dataclass(frozen=True, slots=True)
class SlackCall:
    """One call: `verdict` is `ok`, Slack's error, or what the fault did; `payload` never holds the token."""

    method: str
    verdict: str
    at: float
    payload: dict[str, Any] = field(repr=False)


class FakeSlack:
    """Answers as Slack does, on a port of its own: `async with FakeSlack() as slack: slack.api_url`.

    `tokens` and `channels` are those that it knows; None plays by name: any token `xoxb-…` but `xoxb-revoked`, any
    channel of the right form but those that hold NOTFOUND, ARCHIVED or NOTIN. `rate` is how many posts a second one
    channel takes before HTTP 429.
    """

    def __init__(
        self,
        *,
        tokens: Iterable[str] | None = None,
        channels: Iterable[str] | None = None,
        rate: float | None = None,
        port: int = 0,
        keep: int = 10_000,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        """Prepare it; it listens once entered. Only the last `keep` messages and calls are remembered."""
        self.port = port
        self._clock = clock
        self._workspace = Workspace(tokens=tokens, channels=channels, rate=rate, keep=keep, clock=clock)
        self._calls: Inbox[SlackCall] = Inbox(keep)
        self._faults: Faults[Fault] = Faults()
        self._server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._listener: asyncio.Server | None = None
        self.script = self._faults.script
        self.always = self._faults.always

    @property
    def api_url(self) -> str:
        """The base of every method, as a channel's `api_url`."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def messages(self) -> list[SlackMessage]:
        """What was taken, oldest first."""
        return self._workspace.messages.items()

    @property
    def calls(self) -> list[SlackCall]:
        """Every call with its verdict, oldest first."""
        return self._calls.items()

    async def arrived(self, total: int, within: float = 10.0) -> list[SlackMessage]:
        """The messages, once `total` have been taken. Raises TimeoutError after `within` seconds."""
        return await self._workspace.messages.reached(total, within)

    async def called(self, total: int, within: float = 10.0) -> list[SlackCall]:
        """The calls, once there have been `total`. Raises TimeoutError after `within` seconds."""
        return await self._calls.reached(total, within)

    async def up(self) -> None:
        """Listen (again), on the same port as before."""
        if self._listener is None:
            self._listener = await asyncio.get_running_loop().create_server(self._server, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and reset those that are open, until `up`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._server.connections):
            reset(connection.transport)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.down()
        await self._server.shutdown(0)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        method = request.path.removeprefix("/api/").strip("/")
        payload, token, unreadable = await _read(request)

        def act() -> Answer:
            if unreadable is not None:
                return Answer.refusal(unreadable)
            return self._workspace.call(request.method, method, payload, token)

        fault = self._faults.take()
        done = act() if fault is None or fault.after_accept else None
        if fault is not None and (spoilt := await self._spoil(fault, request, method, payload)):
            return spoilt
        answer = done or act()
        if fault is None:
            self._note(method, answer.verdict, payload)
        return _json(answer.body, answer.status, answer.headers)

    async def _spoil(
        self, fault: Fault, request: web.BaseRequest, method: str, payload: dict[str, Any]
    ) -> web.Response | None:
        """The answer in place of Slack's, None when the fault only delays it."""
        self._note(method, fault.verdict, payload)
        if fault.hang is not None:
            await hang(fault.hang)
        if fault.drop:
            reset(request.transport)
            return web.Response()
        return None if fault.delays_only else fault.answer()

    def _note(self, method: str, verdict: str, payload: dict[str, Any]) -> None:
        self._calls.add(SlackCall(method, verdict, self._clock.now(), payload))


async def _read(request: web.BaseRequest) -> tuple[dict[str, Any], str | None, str | None]:
    """The arguments without the token, the token, and Slack's error when the body cannot be read."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    payload: dict[str, Any] = dict(request.query)
    error: str | None = None
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
            error = None if isinstance(body, dict) else "json_not_object"
        except (ValueError, RecursionError):
            body, error = {}, "invalid_json"
        payload.update(body if error is None else {})
        # A token in a JSON body counts for nothing: https://docs.slack.dev/apis/web-api/#post-bodies.
        payload.pop("token", None)
        return payload, bearer, error
    if request.content_type in _FORMS:
        payload.update({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
    elif request.can_read_body:
        error = "invalid_post_type"
    return payload, payload.pop("token", None) or bearer, error


def _json(body: dict[str, Any], status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
