"""The page that shows what arrived in the sandbox, and where the fakes are told how to feel."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from assistance.sandbox.arrived import block_html, mail_data, mail_text, shown_headers, slack_data, threads
from assistance.sandbox.development import Sandbox
from assistance.sandbox.modes import MailMode, Mode, SlackMode
from assistance.sandbox.mrkdwn import rendered
from assistance.sandbox.redirect import on_loopback
from assistance.sandbox.slack import SlackCall
from assistance.sandbox.slack_workspace import SlackMessage
from assistance.sandbox.smtp import Mail

M = TypeVar("M", bound=Mode)

_SHOWN = 100
_SHOWN_CALLS = 8
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not `no-referrer`: browsers then call the origin of our own forms `null`.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def router(sandbox: Sandbox) -> APIRouter:
    """`/sandbox` and what it needs, for browsers and programs on this machine only.

    `GET /sandbox/messages` is `{"slack": [...], "mail": [...]}`, oldest first. `POST /sandbox/slack/mode` and
    `/sandbox/mail/mode` take `{mode, error?, seconds?}` as JSON or as a form.
    """
    routes = APIRouter(prefix="/sandbox", dependencies=[Depends(_from_here)], include_in_schema=False)

    @routes.get("")
    async def page() -> HTMLResponse:
        modes = {"slack": sandbox.slack_mode, "mail": sandbox.mail_mode}
        html = await asyncio.to_thread(
            _render, modes, slack=sandbox.slack.messages, mail=sandbox.smtp.messages, calls=sandbox.slack.calls
        )
        return HTMLResponse(html, headers=_HEADERS)

    @routes.get("/messages")
    async def messages() -> dict[str, Any]:
        # Parsing thousands of mails takes long enough to delay the service's own answers.
        return await asyncio.to_thread(_data, sandbox.slack.messages, sandbox.smtp.messages)

    @routes.get("/style.css")
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css", headers=_HEADERS)

    @routes.get("/refresh.js")
    async def refresh() -> Response:
        return Response(_REFRESH, media_type="text/javascript", headers=_HEADERS)

    @routes.post("/slack/mode", response_model=None)
    async def slack_mode(request: Request) -> RedirectResponse | SlackMode:
        await sandbox.play_slack(await _chosen(request, SlackMode))
        return sandbox.slack_mode if _is_json(request) else RedirectResponse("/sandbox", 303)

    @routes.post("/mail/mode", response_model=None)
    async def mail_mode(request: Request) -> RedirectResponse | MailMode:
        await sandbox.play_mail(await _chosen(request, MailMode))
        return sandbox.mail_mode if _is_json(request) else RedirectResponse("/sandbox", 303)

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


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _chosen(request: Request, kind: type[M]) -> M:
    body = await request.body()
    try:
        # A form's empty fields are fields not filled in; `parse_qsl` leaves them out.
        return (
            kind.model_validate_json(body) if _is_json(request) else kind.model_validate(dict(parse_qsl(body.decode())))
        )
    except ValueError:
        raise HTTPException(422, kind.usage) from None


def _data(slack: list[SlackMessage], mail: list[Mail]) -> dict[str, Any]:
    return {"slack": [slack_data(message) for message in slack], "mail": [mail_data(one) for one in mail]}


def _render(modes: Mapping[str, Mode], *, slack: list[SlackMessage], mail: list[Mail], calls: list[SlackCall]) -> str:
    return _PAGE.render(
        modes=modes,
        threads=threads(slack)[:_SHOWN],
        mails=mail[::-1][:_SHOWN],
        calls=calls[::-1][:_SHOWN_CALLS],
        slack_total=len(slack),
        mail_total=len(mail),
    )


def _clock(instant: float) -> str:
    return datetime.fromtimestamp(instant).astimezone().strftime("%H:%M:%S")


def _moment(instant: float) -> str:
    return datetime.fromtimestamp(instant).astimezone().isoformat(timespec="milliseconds")


_WEB = files(__package__ or "") / "web"
_STYLE = (_WEB / "style.css").read_bytes()
_REFRESH = (_WEB / "refresh.js").read_bytes()
_TEMPLATES = Environment(
    loader=PackageLoader("assistance.sandbox", "web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(
    clock=_clock, moment=_moment, block=block_html, headers=shown_headers, body=mail_text, mrkdwn=rendered
)
_PAGE = _TEMPLATES.get_template("sandbox.html")
