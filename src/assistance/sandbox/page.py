"""`/sandbox`: shows what arrived, and lets the fakes fail."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from assistance.model import rfc3339, rfc3339_or_none
from assistance.sandbox.mrkdwn import rendered
from assistance.sandbox.redirect import on_loopback
from assistance.sandbox.sandbox import MailMode, Sandbox, SlackMode
from assistance.sandbox.slack import SlackMessage
from assistance.sandbox.smtp import Mail

_SHOWN = 100
_SHOWN_CALLS = 8
_SHOWN_HEADERS = ("From", "To", "Cc", "Reply-To", "Date", "Message-ID", "In-Reply-To")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not `no-referrer`: browsers then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_USAGE = (
    "mode: ok, error, limit, hang or down; seconds: a number; "
    "error: a name such as channel_not_found for Slack, a reply such as 550 no mailbox for mail"
)


def router(sandbox: Sandbox) -> APIRouter:
    """`/sandbox` and what it needs, for browsers and programs on this machine only.

    `GET /sandbox/messages` is `{"slack": [...], "mail": [...]}`, oldest first. `POST /sandbox/slack/mode` and
    `/sandbox/mail/mode` take a form: `mode`, `error?`, `seconds?`.
    """
    routes = APIRouter(prefix="/sandbox", dependencies=[Depends(_from_here)], include_in_schema=False)

    @routes.get("")
    async def page() -> HTMLResponse:
        slack, mail = sandbox.slack.messages, sandbox.smtp.messages
        # Event loop: to parse a hundred mails would delay the service's own answers.
        html = await asyncio.to_thread(
            _PAGE.render,
            modes={"slack": sandbox.slack_mode, "mail": sandbox.mail_mode},
            threads=_threads(slack)[:_SHOWN],
            mails=mail[::-1][:_SHOWN],
            calls=sandbox.slack.calls[::-1][:_SHOWN_CALLS],
            slack_total=len(slack),
            mail_total=len(mail),
        )
        return HTMLResponse(html, headers=_HEADERS)

    @routes.get("/messages")
    async def messages() -> dict[str, Any]:
        return await asyncio.to_thread(_data, sandbox.slack.messages, sandbox.smtp.messages)

    @routes.get("/style.css")
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css", headers=_HEADERS)

    @routes.get("/refresh.js")
    async def refresh() -> Response:
        return Response(_REFRESH, media_type="text/javascript", headers=_HEADERS)

    @routes.post("/{name}/mode")
    async def mode(name: Literal["slack", "mail"], request: Request) -> RedirectResponse:
        kind = SlackMode if name == "slack" else MailMode
        try:
            # The form's empty fields are not given: `parse_qsl` leaves them out.
            chosen = kind.model_validate(dict(parse_qsl((await request.body()).decode())))
        except ValueError:
            raise HTTPException(422, _USAGE) from None
        await sandbox.play(chosen)
        return RedirectResponse("/sandbox", 303)

    return routes


async def _from_here(request: Request) -> None:
    """Refuse names that only lead here (DNS rebinding), and forms of other sites (CSRF)."""
    host = request.headers.get("host", "")
    if not on_loopback(f"http://{host}"):
        raise HTTPException(403, "The sandbox answers on loopback addresses only.")
    if request.method not in {"GET", "HEAD"}:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "none")
        if origin not in {None, f"http://{host}", f"https://{host}"} or site not in {"same-origin", "none"}:
            raise HTTPException(403, "The sandbox takes no forms from other sites.")


def _threads(messages: Iterable[SlackMessage]) -> list[list[SlackMessage]]:
    """The messages by thread, the oldest first; the thread with the latest message first."""
    threads: dict[tuple[str, str], list[SlackMessage]] = {}
    for message in messages:
        key = message.channel, message.thread_ts or message.ts
        # Removed and put back, so that the dictionary is in the order of the latest messages.
        threads[key] = [*threads.pop(key, []), message]
    return list(threads.values())[::-1]


def _data(slack: list[SlackMessage], mail: list[Mail]) -> dict[str, Any]:
    """Everything that was sent, and when; of a mail, `from` and `to` are the envelope's."""
    return {
        "slack": [
            {
                "thread_ts": None,
                "blocks": [],
                **message.payload,
                "ts": message.ts,
                "received_at": rfc3339(message.received_at),
                "edited_at": rfc3339_or_none(message.edited_at),
            }
            for message in slack
        ],
        "mail": [
            {
                "from": one.sender,
                "to": list(one.recipients),
                "subject": str(one.message["subject"] or ""),
                "text": _body(one, "plain"),
                "html": _body(one, "html"),
                "headers": {name: str(value) for name, value in one.message.items()},
                "received_at": rfc3339(one.received_at),
            }
            for one in mail
        ],
    }


def _body(mail: Mail, *kinds: str) -> str | None:
    part = mail.message.get_body(preferencelist=kinds)
    try:
        return None if part is None else str(part.get_content())
    except (LookupError, ValueError):
        return "(a character set that cannot be read)"


def _words(part: Any) -> Markup:
    """A text object of Block Kit."""
    text = str(part.get("text") or "") if isinstance(part, dict) else ""
    return rendered(text) if part and part.get("type") == "mrkdwn" else escape(text)


def _clock(instant: float) -> str:
    return datetime.fromtimestamp(instant).astimezone().strftime("%H:%M:%S")


def _moment(instant: float) -> str:
    return datetime.fromtimestamp(instant).astimezone().isoformat(timespec="milliseconds")


def _headers(mail: Mail) -> list[tuple[str, str]]:
    return [(name, str(mail.message[name])) for name in _SHOWN_HEADERS if mail.message[name]]


_WEB = files(__package__ or "") / "web"
_STYLE = (_WEB / "style.css").read_bytes()
_REFRESH = (_WEB / "refresh.js").read_bytes()
_TEMPLATES = Environment(
    loader=PackageLoader("assistance.sandbox", "web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters.update(
    clock=_clock,
    moment=_moment,
    headers=_headers,
    body=lambda mail: _body(mail, "plain", "html") or "",
    mrkdwn=rendered,
    words=_words,
)
_PAGE = _TEMPLATES.get_template("sandbox.html")
