"""What a Slack workspace does with a call: no sockets here, only messages and Slack's own words."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assistance.model.clock import Clock
from assistance.sandbox.inbox import Inbox
from assistance.sandbox.slack_rules import PLAYED, channel_error, content_errors, parsed, token_error


@dataclass(slots=True)
class SlackMessage:
    """A message that was taken: `payload` as it was sent, without its token, or as `chat.update` left it."""

    channel: str
    ts: str
    payload: dict[str, Any]
    received_at: float
    edited_at: float | None = None

    @property
    def text(self) -> str:
        """The fallback text."""
        return str(self.payload.get("text") or "")

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The blocks, also when they came as JSON in a form."""
        return parsed(self.payload, "blocks") or []

    @property
    def thread_ts(self) -> str | None:
        """The `ts` of the message that this one answers."""
        return self.payload.get("thread_ts")


@dataclass(frozen=True, slots=True)
class Answer:
    """Slack's answer: nearly always HTTP 200, with `ok: false` and `error` in the body when it refuses."""

    body: dict[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def refusal(cls, error: str, remarks: Iterable[str] = ()) -> "Answer":
        """`ok: false` with Slack's name of the error, and its remarks on it."""
        body: dict[str, Any] = {"ok": False, "error": error}
        if messages := list(remarks):
            body["response_metadata"] = {"messages": messages}
        return cls(body)

    @classmethod
    def limited(cls, seconds: float) -> "Answer":
        """HTTP 429: nothing more before `seconds` have passed, https://docs.slack.dev/apis/web-api/rate-limits."""
        return cls({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(math.ceil(seconds))})

    @property
    def verdict(self) -> str:
        """`ok`, or the error."""
        return "ok" if self.body["ok"] else str(self.body["error"])


class Workspace:
    """Tokens, channels and messages. `messages` keeps the last `keep` of them."""

    def __init__(
        self,
        *,
        tokens: Iterable[str] | None,
        channels: Iterable[str] | None,
        rate: float | None,
        keep: int,
        clock: Clock,
    ) -> None:
        """None for `tokens` or `channels` plays by name, see `slack_rules`; `rate`: posts a second and channel."""
        self.messages: Inbox[SlackMessage] = Inbox(keep)
        self._tokens = None if tokens is None else frozenset(tokens)
        self._channels = None if channels is None else frozenset(channels)
        self._rate = rate
        self._keep = keep
        self._clock = clock
        self._by_ts: dict[tuple[str, str], SlackMessage] = {}
        self._drained_at: dict[str, float] = {}
        self._last_micros = 0
        self._methods = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.info": self._info,
        }

    def call(self, verb: str, method: str, payload: dict[str, Any], token: str | None) -> Answer:
        """Do what `method` does; `verb` is the HTTP method, `payload` is without the token."""
        act = self._methods.get(method)
        if act is None:
            return Answer({"ok": False, "error": "unknown_method", "req_method": method})
        if verb != "POST" and (verb != "GET" or method.startswith("chat.")):
            return Answer({"ok": False, "error": "method_not_allowed"}, 405, {"Allow": "POST"})
        error = token_error(token, self._tokens)
        return Answer.refusal(error) if error else act(payload)

    def _auth_test(self, _payload: dict[str, Any]) -> Answer:
        who = {"team": "Sandbox", "team_id": "T0SANDBOX", "user": "assistance", "user_id": "U0SANDBOX"}
        return Answer({"ok": True, "url": "https://sandbox.slack.com/", **who, "bot_id": "B0SANDBOX"})

    def _info(self, payload: dict[str, Any]) -> Answer:
        channel = payload.get("channel")
        error = channel_error(channel, self._channels)
        if error == PLAYED["NOTFOUND"]:
            return Answer.refusal(error)
        state = {"is_archived": error == PLAYED["ARCHIVED"], "is_member": error != PLAYED["NOTIN"]}
        name = str(channel).lower()
        return Answer({"ok": True, "channel": {"id": channel, "name": name, "is_channel": True, **state}})

    def _post_message(self, payload: dict[str, Any]) -> Answer:
        channel = payload.get("channel")
        error = channel_error(channel, self._channels)
        if error or not isinstance(channel, str):
            return Answer.refusal(error or "channel_not_found")
        error, remarks = content_errors(payload)
        if error:
            return Answer.refusal(error, remarks)
        if wait := self._wait(channel):
            return Answer.limited(wait)
        message = SlackMessage(channel, self._next_ts(), payload, self._clock.now())
        self._remember(message)
        said = {**payload, "type": "message", "ts": message.ts, "user": "U0SANDBOX", "bot_id": "B0SANDBOX"}
        return Answer({"ok": True, "channel": channel, "ts": message.ts, "message": said})

    def _update(self, payload: dict[str, Any]) -> Answer:
        channel, ts = str(payload.get("channel")), str(payload.get("ts"))
        error = channel_error(channel, self._channels)
        if error:
            return Answer.refusal(error)
        message = self._by_ts.get((channel, ts))
        if message is None:
            return Answer.refusal("message_not_found")
        error, remarks = content_errors(payload)
        if error:
            return Answer.refusal(error, remarks)
        # Slack drops the old blocks when there is a new text without blocks.
        kept = {k: v for k, v in message.payload.items() if k != "blocks" or not payload.get("text")}
        message.payload = {**kept, **{k: v for k, v in payload.items() if k != "ts"}}
        message.edited_at = self._clock.now()
        return Answer({"ok": True, "channel": channel, "ts": ts, "text": message.text})

    def _wait(self, channel: str) -> float:
        """Seconds until the channel takes one more; a bucket of two, so that jitter on the way is no breach."""
        if self._rate is None:
            return 0
        now, capacity = self._clock.now(), max(2.0, self._rate)
        drained_at = max(self._drained_at.get(channel, now), now)
        waiting = drained_at + 1 / self._rate - now - capacity / self._rate
        if waiting > 0:
            return waiting
        self._drained_at[channel] = drained_at + 1 / self._rate
        return 0

    def _next_ts(self) -> str:
        self._last_micros = max(self._last_micros + 1, int(self._clock.now() * 1_000_000))
        seconds, micros = divmod(self._last_micros, 1_000_000)
        return f"{seconds}.{micros:06d}"

    def _remember(self, message: SlackMessage) -> None:
        self._by_ts[message.channel, message.ts] = message
        if len(self._by_ts) > self._keep:
            del self._by_ts[next(iter(self._by_ts))]
        self.messages.add(message)
