"""The sandbox's page, served over a real socket."""

import json
import socket
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import pytest
import uvicorn
from fastapi import FastAPI

from assistance.sandbox import Sandbox, router
from assistance.sandbox.mrkdwn import rendered
from assistance.sandbox.redirect import SLACK_TOKEN

HOSTILE = "<script>alert(1)</script>&\"'"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox({}) as box:
        yield box


@pytest.fixture
async def site(sandbox: Sandbox) -> AsyncIterator[str]:
    app = FastAPI()
    app.include_router(router(sandbox))
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await server.startup(sockets=[listener])
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/sandbox"
        await server.shutdown(sockets=[listener])


async def post(http: aiohttp.ClientSession, sandbox: Sandbox, method: str = "chat.postMessage", **payload: Any) -> Any:
    headers = {"Authorization": f"Bearer {sandbox.environ({})[SLACK_TOKEN]}"}
    body = {"channel": "C0SALES", **payload}
    async with http.post(f"{sandbox.slack.api_url}{method}", json=body, headers=headers) as answer:
        return await answer.json()


async def mail(sandbox: Sandbox, subject: str, text: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", subject
    message.set_content(text)
    message.add_alternative("<p>html</p>", subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=sandbox.smtp.port, start_tls=False, timeout=5)


async def choose(http: aiohttp.ClientSession, site: str, name: str, **mode: Any) -> None:
    async with http.post(f"{site}/{name}/mode", data=mode) as answer:
        assert answer.status == 200


async def read(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_what_arrived_is_shown_as_text_and_nothing_else(
    http: aiohttp.ClientSession, sandbox: Sandbox, site: str
) -> None:
    """Header, text, fields and mail are on the page, and markup in any of them arrives as text."""
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": f"Header {HOSTILE}"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": f"Section {HOSTILE}"}},
        {"type": "section", "fields": [{"type": "plain_text", "text": f"Field {HOSTILE}"}]},
    ]
    await post(http, sandbox, text="x", blocks=blocks)
    await post(http, sandbox, text=f"Plain {HOSTILE}")
    await mail(sandbox, f"Subject {HOSTILE}", f"Body {HOSTILE}")
    page = await read(http, site)
    assert page.count("<script") == 1
    for words in ("Header", "Field", "Subject", "Body"):
        assert f"{words} &lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;&#39;" in page


async def test_newest_comes_first_and_replies_stand_below_their_message(
    http: aiohttp.ClientSession, sandbox: Sandbox, site: str
) -> None:
    """The thread with the latest news leads, and its reply follows its own message."""
    first = await post(http, sandbox, text="alpha")
    await post(http, sandbox, text="beta")
    page = await read(http, site)
    assert page.index("beta") < page.index("alpha")
    await post(http, sandbox, text="gamma", thread_ts=first["ts"])
    page = await read(http, site)
    assert page.index("alpha") < page.index('class="reply"') < page.index("gamma") < page.index("beta")


async def test_the_page_allows_itself_nothing_inline(http: aiohttp.ClientSession, site: str) -> None:
    """The policy forbids inline script and style, the page has none, and what it links is served."""
    async with http.get(site) as answer:
        policy, page = answer.headers["Content-Security-Policy"], await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page
    assert "<style" not in page
    for name, kind in (("style.css", "text/css"), ("refresh.js", "text/javascript")):
        assert f"/sandbox/{name}" in page
        async with http.get(f"{site}/{name}") as answer:
            assert (answer.status, answer.content_type) == (200, kind)


async def test_programs_read_what_arrived_as_json(http: aiohttp.ClientSession, sandbox: Sandbox, site: str) -> None:
    """Messages and mails are there with what tests ask for, oldest first, and no token."""
    posted = await post(http, sandbox, text="one", metadata={"event_type": "x", "event_payload": {"key": "k"}})
    await post(http, sandbox, "chat.update", ts=posted["ts"], text="two")
    await mail(sandbox, "Prices", "Body\n")
    raw = await read(http, f"{site}/messages")
    said = json.loads(raw)
    [message], [letter] = said["slack"], said["mail"]
    assert (message["ts"], message["text"], message["metadata"]["event_payload"]["key"]) == (posted["ts"], "two", "k")
    assert message["edited_at"] >= message["received_at"]
    assert (letter["from"], letter["to"], letter["subject"]) == ("a@example.com", ["b@example.com"], "Prices")
    assert letter["text"].strip() == "Body"
    assert letter["headers"]["Subject"] == "Prices"
    assert sandbox.environ({})[SLACK_TOKEN] not in raw


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [
        ({"mode": "error"}, "fatal_error"),
        ({"mode": "error", "error": "is_archived"}, "is_archived"),
        ({"mode": "limit", "seconds": 5}, "ratelimited"),
    ],
)
async def test_slack_fails_as_the_page_chooses(
    http: aiohttp.ClientSession, sandbox: Sandbox, site: str, mode: dict[str, Any], verdict: str
) -> None:
    """The form leads back to the page, and Slack fails so until another mode is chosen."""
    form = {"error": "", "seconds": "", **mode}
    async with http.post(f"{site}/slack/mode", allow_redirects=False, data=form) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/sandbox")
    assert (await post(http, sandbox, text="x"))["error"] == verdict
    await choose(http, site, "slack", mode="ok")
    assert (await post(http, sandbox, text="x"))["ok"] is True


async def test_both_can_be_down_and_come_back(http: aiohttp.ClientSession, sandbox: Sandbox, site: str) -> None:
    """Down means that connections are refused; the page says so and stays itself."""
    for name in ("slack", "mail"):
        await choose(http, site, name, mode="down")
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(http, sandbox, text="x")
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await mail(sandbox, "x", "x")
    assert "Slack is down" in await read(http, site)
    for name in ("slack", "mail"):
        await choose(http, site, name, mode="ok")
    await post(http, sandbox, text="x")
    await mail(sandbox, "x", "x")


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ({"mode": "error", "error": "550 5.1.1 no such mailbox"}, 550),
        ({"mode": "error"}, 451),
        ({"mode": "limit"}, 450),
    ],
)
async def test_the_mail_server_fails_as_the_page_chooses(
    http: aiohttp.ClientSession, sandbox: Sandbox, site: str, mode: dict[str, Any], code: int
) -> None:
    """The reply that was chosen is the one that the client gets."""
    await choose(http, site, "mail", **mode)
    with pytest.raises(aiosmtplib.SMTPException, match=str(code)):
        await mail(sandbox, "x", "x")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("slack/mode", b"mode=%FF"),
        ("slack/mode", {"mode": "sing"}),
        ("slack/mode", {"mode": "error", "error": "not a name"}),
        ("slack/mode", {"mode": "hang", "seconds": "-1"}),
        ("mail/mode", {"mode": "error", "error": "250 OK"}),
        ("mail/mode", {"mode": "error", "error": "550 a\r\n250 b"}),
        ("mail/mode", {"mode": "ok", "more": "1"}),
    ],
)
async def test_a_mode_that_makes_no_sense_is_refused(
    http: aiohttp.ClientSession, sandbox: Sandbox, site: str, path: str, body: Any
) -> None:
    """The refusal says what may be chosen, and nothing changes."""
    async with http.post(f"{site}/{path}", data=body) as answer:
        assert answer.status == 422
        assert "ok, error, limit, hang or down" in await answer.text()
    assert (sandbox.slack_mode.mode, sandbox.mail_mode.mode) == ("ok", "ok")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_other_sites_cannot_command_it(
    http: aiohttp.ClientSession, sandbox: Sandbox, site: str, headers: dict[str, str]
) -> None:
    """A rebound name and a form of another origin are refused with 403."""
    async with http.post(f"{site}/slack/mode", data={"mode": "down"}, headers=headers) as answer:
        assert answer.status == 403
    assert sandbox.slack_mode.mode == "ok"


async def test_a_rebound_name_cannot_read_it(http: aiohttp.ClientSession, site: str) -> None:
    """What arrived is shown to loopback names only, whatever address the name led to."""
    for path in ("", "/messages"):
        async with http.get(f"{site}{path}", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* a*b*c", "<strong>bold</strong> a*b*c"),
        (
            "<https://example.com/?a=1&amp;b|here>",
            'href="https://example.com/?a=1&amp;b" rel="noopener noreferrer">here</a>',
        ),
        ("&lt;!channel&gt; &amp;lt;", "&lt;!channel&gt; &amp;lt;"),
        ("<!channel>", '<mark title="Slack would act on this">&lt;!channel&gt;</mark>'),
        ("<javascript:alert(1)|x>", "<mark"),
        ("<!date^1^{date}|2026-11-23>", "2026-11-23"),
        ('<https://x"onclick="y|z>', 'href="https://x&#34;onclick=&#34;y"'),
    ],
)
def test_mrkdwn_is_shown_as_slack_shows_it(text: str, html: str) -> None:
    """Bold, links and dates are rendered, what would ping is marked, and nothing becomes live markup."""
    assert html in rendered(text)
