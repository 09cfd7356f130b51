"""A fake Slack Web API on loopback: https://docs.slack.dev/apis/web-api/."""

import asyncio
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from aiohttp import web

from assistance.sandbox.fake import CLOCK, Fake, Inbox, hang, reset
from assistance.sandbox.slack_rules import content_error

_CHANNEL = re.compile(r"[CGD][A-Z0-9]{6,}")

Answer = dict[str, Any]
"""Nearly always with HTTP 200: `ok`, and `error` with Slack's name of it when it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one call. What is not given is as it would be.

    `status` is the HTTP status, `error` Slack's name of it (with HTTP 200 unless `status` says otherwise),
    `retry_after` seconds, with HTTP 429; `raw` answers these bytes; `hang` waits that many seconds, True until the
    client gives up; `drop` resets the connection instead of answering. A `hang` alone only delays. `after_accept` does
    what the call is for first, so that the client cannot know.
    """

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    hang: float | Literal[True] | None = None
    raw: bytes | None = None
    drop: bool = False
    after_accept: bool = False

    @property
    def verdict(self) -> str:
        """The verdict of a call with this fault."""
        if self.drop:
            return "drop"
        if self.raw is not None:
            return "raw"
        return self._error or ("hang" if self._status == HTTPStatus.OK else str(self._status))

    def answer(self) -> web.Response | None:
        """The answer in Slack's place; None when the usual one comes, late."""
        headers = {} if self.retry_after is None else {"Retry-After": str(math.ceil(self.retry_after))}
        if self.raw is not None:
            return web.Response(body=self.raw, status=self._status, headers=headers)
        if self._error is not None:
            return web.json_response(_refusal(self._error), status=self._status, headers=headers)
        return None if self._status == HTTPStatus.OK else web.Response(text="upstream trouble", status=self._status)

    @property
    def _status(self) -> int:
        return self.status or (HTTPStatus.OK if self.retry_after is None else HTTPStatus.TOO_MANY_REQUESTS)

    @property
    def _error(self) -> str | None:
        return self.error or ("ratelimited" if self._status == HTTPStatus.TOO_MANY_REQUESTS else None)


@dataclass(frozen=True, slots=True)
class SlackCall:
    """One call: `verdict` is `ok`, Slack's error, or what the fault did."""

    method: str
    verdict: str
    at: float


@dataclass(slots=True)
class SlackMessage:
    """A message that was accepted: `payload` as it was sent, or as `chat.update` left it."""

    channel: str
    ts: str
    payload: dict[str, Any] = field(repr=False)
    received_at: float
    edited_at: float | None = None

    @property
    def text(self) -> str:
        """The fallback text."""
        return str(self.payload.get("text") or "")

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The blocks, which were found to be valid."""
        return self.payload.get("blocks") or []

    @property
    def thread_ts(self) -> str | None:
        """The `ts` of the message that this one answers."""
        return self.payload.get("thread_ts")


class FakeSlack(Fake[SlackMessage, Fault]):
    """Answers as Slack does: `async with FakeSlack() as slack: slack.api_url`.

    `tokens` and `channels` are those that it knows; None: any token, any channel of the right form.
    """

    def __init__(
        self, *, tokens: Iterable[str] | None = None, channels: Iterable[str] | None = None, keep: int = 10_000
    ) -> None:
        super().__init__(keep)
        self._tokens = None if tokens is None else frozenset(tokens)
        self._channels = None if channels is None else frozenset(channels)
        self._calls: Inbox[SlackCall] = Inbox(keep)
        self._last_micros = 0
        self._server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._methods = {"auth.test": self._auth_test, "chat.postMessage": self._post, "chat.update": self._update}

    @property
    def api_url(self) -> str:
        """The base of every method, as a channel's `api_url`."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def calls(self) -> list[SlackCall]:
        """Every call with its verdict, oldest first."""
        return self._calls.items()

    async def called(self, total: int, within: float = 10.0) -> list[SlackCall]:
        """The calls, once there have been `total`. Raises TimeoutError after `within` seconds."""
        return await self._calls.reached(total, within)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(self._server, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        for connection in list(self._server.connections):
            reset(connection.transport)
        await self._server.shutdown(0)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        method = request.path.removeprefix("/api/").strip("/")
        raw = await request.read()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        fault = self.take()
        if fault is None:
            answer = self._answer(method, raw, token)
            self._note(method, "ok" if answer["ok"] else answer["error"])
            return web.json_response(answer)
        early = self._answer(method, raw, token) if fault.after_accept else None
        self._note(method, fault.verdict)
        if fault.hang is not None:
            await hang(fault.hang)
        if fault.drop:
            reset(request.transport)
            return web.Response()
        return fault.answer() or web.json_response(early or self._answer(method, raw, token))

    def _note(self, method: str, verdict: str) -> None:
        self._calls.add(SlackCall(method, verdict, CLOCK.now()))

    def _answer(self, method: str, raw: bytes, token: str) -> Answer:
        """Execute the call."""
        act = self._methods.get(method)
        if act is None:
            return {"ok": False, "error": "unknown_method", "req_method": method}
        if self._tokens is not None and token not in self._tokens:
            return _refusal("invalid_auth" if token else "not_authed")
        try:
            payload = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            return _refusal("invalid_json")
        return act(payload) if isinstance(payload, dict) else _refusal("json_not_object")

    def _auth_test(self, _payload: dict[str, Any]) -> Answer:
        return {"ok": True, "url": "https://sandbox.slack.com/", "team": "Sandbox", "user": "assistance"}

    def _post(self, payload: dict[str, Any]) -> Answer:
        channel = payload.get("channel")
        if not isinstance(channel, str) or not self._knows(channel):
            return _refusal("channel_not_found")
        error, remarks = content_error(payload)
        if error:
            return _refusal(error, remarks)
        message = SlackMessage(channel, self._next_ts(), payload, CLOCK.now())
        self.inbox.add(message)
        return {"ok": True, "channel": channel, "ts": message.ts, "message": payload}

    def _update(self, payload: dict[str, Any]) -> Answer:
        channel, ts = payload.get("channel"), payload.get("ts")
        message = next((each for each in reversed(self.messages) if (each.channel, each.ts) == (channel, ts)), None)
        if message is None:
            return _refusal("message_not_found")
        error, remarks = content_error(payload)
        if error:
            return _refusal(error, remarks)
        # Slack drops the old blocks when there is a new text without blocks.
        message.payload = {**message.payload, "blocks": [], **{k: v for k, v in payload.items() if k != "ts"}}
        message.edited_at = CLOCK.now()
        return {"ok": True, "channel": channel, "ts": ts, "text": message.text}

    def _knows(self, channel: str) -> bool:
        return bool(_CHANNEL.fullmatch(channel)) if self._channels is None else channel in self._channels

    def _next_ts(self) -> str:
        """Slack's name of a message: seconds with six digits, and none twice."""
        self._last_micros = max(self._last_micros + 1, int(CLOCK.now() * 1_000_000))
        return f"{self._last_micros // 1_000_000}.{self._last_micros % 1_000_000:06d}"


def _refusal(error: str, remarks: Iterable[str] = ()) -> Answer:
    """`ok: false` with Slack's name of the error, and its remarks on it."""
    more = {"response_metadata": {"messages": messages}} if (messages := list(remarks)) else {}
    return {"ok": False, "error": error, **more}
