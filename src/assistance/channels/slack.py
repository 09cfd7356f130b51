"""Slack, by plain calls of its Web API: https://docs.slack.dev/reference/methods/chat.postMessage."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field, HttpUrl

from assistance.channels._channel import Channel
from assistance.model import (
    Message,
    Misconfigured,
    Reason,
    TryLater,
    Undeliverable,
    Verdict,
    cut,
    minute,
    one_line,
    readable,
)
from assistance.outgoing import Http, HttpResponse, redact
from assistance.settings import Secret

# https://docs.slack.dev/reference/block-kit/blocks; the limit over all blocks is observed, not published (13,200).
_HEADER = 150
_SECTION = 3_000
_BLOCKS = 50
_ALL_BLOCKS = 13_000
_FIELDS_A_SECTION = 10
_FIELDS = 20
_FIELD = 250
_FALLBACK = 3_000

_ANSWER = 512 * 1024
"""Bytes: Slack repeats the whole message in its answer, with twelve characters for each emoji."""

_ERRORS: dict[tuple[type[Verdict], Reason], str] = {
    (TryLater, Reason.RATE_LIMITED): "ratelimited rate_limited",
    (TryLater, Reason.SERVER_ERROR): "fatal_error internal_error request_timeout service_unavailable team_added_to_org",
    (Misconfigured, Reason.CREDENTIALS): "invalid_auth not_authed account_inactive token_revoked token_expired"
    " missing_scope no_permission access_denied not_allowed_token_type enterprise_is_restricted",
    (Misconfigured, Reason.DESTINATION): "channel_not_found not_in_channel is_archived restricted_action",
    (Undeliverable, Reason.TOO_LONG): "msg_too_long msg_blocks_too_long",
    # The last three: the answers to a reply or an edit when a person has removed the message.
    (Undeliverable, Reason.REJECTED): "no_text too_many_attachments invalid_blocks invalid_arguments"
    " message_not_found cant_update_message edit_window_closed",
}
_ERROR_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_BY_ERROR = {error: verdict for verdict, errors in _ERRORS.items() for error in errors.split()}


class Slack(Channel):
    """Posts to one Slack channel as an app with the scope `chat:write`."""

    default_pace: ClassVar[float | None] = 1.0

    token: Secret = Field(description="Bot token, xoxb-….")
    channel: str = Field(min_length=1, description="Id of the channel, C….", examples=["C088LDVP40K"])
    api_url: HttpUrl = Field(default=HttpUrl("https://slack.com/api/"), description="Base of the Web API.")
    signing_secret: Secret | None = Field(default=None, description="Turns the buttons on, by HTTP.")
    app_token: Secret | None = Field(default=None, description="Turns the buttons on, by Socket Mode: xapp-….")

    async def send(self, message: Message, http: Http) -> str | None:
        """Post it; the reference is `channel:ts`."""
        return await self._post(http, {"channel": self.channel, **_content(message), **_UNFURLED})

    async def reply_to(self, thread: str, message: Message, http: Http) -> str | None:
        """Post it in the thread of the message `thread`."""
        channel, _, ts = thread.rpartition(":")
        return await self._post(http, {"channel": channel, "thread_ts": ts, **_content(message), **_UNFURLED})

    async def update(self, reference: str, message: Message, http: Http) -> None:
        """Rewrite the message `reference`."""
        channel, _, ts = reference.rpartition(":")
        # Without metadata, Slack keeps that of the first message: the key by which it is found.
        content = {name: value for name, value in _content(message).items() if name != "metadata"}
        await self._call(http, "chat.update", {"channel": channel, "ts": ts, "blocks": [], **content})

    async def probe(self, http: Http) -> None:
        """Ask Slack who the token belongs to."""
        await self._call(http, "auth.test", {})

    async def _post(self, http: Http, payload: dict[str, Any]) -> str:
        found = await self._call(http, "chat.postMessage", payload)
        return f"{found['channel']}:{found['ts']}"

    async def _call(self, http: Http, method: str, payload: dict[str, Any]) -> dict[str, Any]:
        url = f"{str(self.api_url).rstrip('/')}/{method}"
        response = await http.post(url, json=payload, bearer=self.token, cap=_ANSWER)
        found = response.json()
        if found["ok"] is not True:
            raise _verdict(found, response, self.token)
        return found


_UNFURLED = {"unfurl_links": False, "unfurl_media": False, "mrkdwn": False}


def _verdict(found: dict[str, Any], response: HttpResponse, token: Secret) -> Verdict:
    """What `ok: false` means. Lost message: an error that is not in the table is tried again."""
    error = redact(str(found["error"]))
    if not _ERROR_NAME.fullmatch(error):
        # Leak: it goes into logs, and what is no name may repeat the message.
        error = "no_name_of_an_error"
    known = "restricted_action" if error.startswith("restricted_action") else error
    kind, reason = _BY_ERROR.get(known, (TryLater, Reason.OTHER))
    answer = redact(response.body.decode(errors="replace"), [token.reveal()])
    return kind(reason, response.retry_after if kind is TryLater else None, code=error, answer=answer)


def _content(message: Message) -> dict[str, Any]:
    """The message without its destination: the same on every try."""
    text = message.text if message.short else f"{message.title}\n{message.body}"
    content: dict[str, Any] = {
        "text": _escape(cut(readable(text), _FALLBACK)),
        "parse": "none",
        "link_names": False,
        "metadata": {"event_type": "assistance_request", "event_payload": {"key": message.key}},
    }
    return content if message.short else {**content, "blocks": _blocks(message)}


def _blocks(message: Message) -> list[dict[str, Any]]:
    """Block Kit: title, body, fields, links, since when. Only the body is ever cut off."""
    title = cut(one_line(message.title), _HEADER - 2)
    header: dict[str, Any] = {"type": "header", "text": _plain(f"🚨 {title}" if message.urgent else title)}
    tail = [*_facts(message), *_links(message), *_since(message)]
    room = _ALL_BLOCKS - len(message.rest) - sum(map(_size, [header, *tail]))
    body = readable(message.body)
    pieces = [piece for piece in _pieces(body[:room], _SECTION) if piece.strip()]
    sections: list[dict[str, Any]] = [{"type": "section", "text": _plain(piece)} for piece in pieces]
    if len(body) > room:
        sections.append({"type": "context", "elements": [_plain(message.rest)]})
    return [header, *sections, *tail][:_BLOCKS]


def _facts(message: Message) -> list[dict[str, Any]]:
    lines = [f"{one_line(label)}: {readable(value)}" for label, value in message.fields[:_FIELDS]]
    fields = [_plain(cut(line, _FIELD)) for line in lines]
    chunks = [fields[start : start + _FIELDS_A_SECTION] for start in range(0, len(fields), _FIELDS_A_SECTION)]
    return [{"type": "section", "fields": chunk} for chunk in chunks]


def _links(message: Message) -> list[dict[str, Any]]:
    """One section of links, one a line, as many as it holds.

    Not buttons: a click on one is reported to the app, and without an address for that Slack shows an error.
    """
    lines: list[str] = []
    for link in message.web_links:
        url = quote(one_line(link.url), safe="%:/?#[]@!$&'()*+,;=~")
        line = f"<{_escape(url)}|{_escape(cut(one_line(link.label) or url, _HEADER))}>"
        if sum(map(len, lines)) + len(lines) + len(line) <= _SECTION:
            lines.append(line)
    return [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}] if lines else []


def _since(message: Message) -> list[dict[str, Any]]:
    """`created_at` with its label, in each reader's own time zone."""
    if not message.since:
        return []
    date = f"<!date^{int(message.created_at)}^{{date_short_pretty}} {{time}}|{minute(message.created_at)}>"
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": f"{_escape(message.since)} {date}"}]}]


def _pieces(text: str, size: int) -> Iterator[str]:
    """`text` in pieces of at most `size` characters, broken between words where there are any near the end."""
    while len(text) > size:
        end = 1 + max(text.rfind(space, size - size // 4, size) for space in "\n ")
        yield text[: end or size]
        text = text[end or size :]
    yield text


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def _size(block: dict[str, Any]) -> int:
    texts: list[dict[str, Any] | None] = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
    return sum(len(text["text"]) for text in texts if text)


def _escape(text: str) -> str:
    """Slack's three: https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
