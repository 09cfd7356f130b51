"""What arrived, in the two forms that the sandbox shows: plain data for programs, threads and texts for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from assistance.model.clock import rfc3339, rfc3339_or_none
from assistance.sandbox.mrkdwn import rendered
from assistance.sandbox.slack_workspace import SlackMessage
from assistance.sandbox.smtp_session import Mail

_SHOWN_HEADERS = ("From", "To", "Cc", "Reply-To", "Date", "Message-ID", "In-Reply-To")


def slack_data(message: SlackMessage) -> dict[str, Any]:
    """The message as JSON: everything that was sent, and when; times are RFC 3339."""
    return {
        **message.payload,
        "channel": message.channel,
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "text": message.text,
        "blocks": message.blocks,
        "received_at": rfc3339(message.received_at),
        "edited_at": rfc3339_or_none(message.edited_at),
    }


def mail_data(mail: Mail) -> dict[str, Any]:
    """The mail as JSON: `from` and `to` are the envelope's, `headers` what the mail says of itself."""
    return {
        "from": mail.sender,
        "to": list(mail.recipients),
        "subject": str(mail.message["subject"] or ""),
        "text": _body(mail, "plain"),
        "html": _body(mail, "html"),
        "headers": {name: str(value) for name, value in mail.message.items()},
        "received_at": rfc3339(mail.received_at),
    }


@dataclass(slots=True)
class Thread:
    """A Slack message and what was said below it, oldest first."""

    message: SlackMessage
    replies: list[SlackMessage] = field(default_factory=list)


def threads(messages: Iterable[SlackMessage]) -> list[Thread]:
    """The messages by thread, the thread with the latest news first."""
    found: dict[tuple[str, str], Thread] = {}
    for message in messages:
        # Taken out and put back, so that the dictionary's order is the order of news.
        thread = found.pop((message.channel, message.thread_ts or message.ts), None)
        if thread is None:
            thread = Thread(message)
        else:
            thread.replies.append(message)
        found[message.channel, message.thread_ts or message.ts] = thread
    return list(found.values())[::-1]


def block_html(block: dict[str, Any]) -> Markup:
    """The texts of a block that was accepted, one paragraph each; fields beside each other."""
    kind = block.get("type", "")
    texts = [part for part in (block.get("text"), *_elements(block)) if isinstance(part, dict)]
    body = Markup("").join(_text_html(kind, part) for part in texts)
    fields = Markup("").join(_PARAGRAPH.format("field", _said(part)) for part in block.get("fields") or ())
    return body + (_FIELDS.format(fields) if fields else Markup(""))


_PARAGRAPH = Markup('<p class="{}">{}</p>')
_FIELDS = Markup('<div class="fields">{}</div>')
_BUTTON = Markup('<span class="button">{}</span>')


def _elements(block: dict[str, Any]) -> Sequence[Any]:
    elements = block.get("elements")
    return elements if isinstance(elements, list) else ()


def _text_html(kind: str, part: dict[str, Any]) -> Markup:
    if part.get("type") == "button":
        return _BUTTON.format(_said(part.get("text")))
    return _PARAGRAPH.format(kind, _said(part))


def _said(part: Any) -> Markup:
    text = part.get("text") if isinstance(part, dict) else None
    if not isinstance(text, str):
        return Markup("")
    return rendered(text) if part.get("type") == "mrkdwn" else escape(text)


def shown_headers(mail: Mail) -> list[tuple[str, str]]:
    """The headers that a person looks at."""
    return [(name, str(mail.message[name])) for name in _SHOWN_HEADERS if mail.message[name]]


def mail_text(mail: Mail) -> str:
    """The plain text of the mail, else its HTML source."""
    return _body(mail, "plain") or _body(mail, "html") or ""


def _body(mail: Mail, subtype: str) -> str | None:
    part = mail.message.get_body(preferencelist=(subtype,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        return "(a character set that cannot be read)"
