"""The whole service in the test's process, with issuer, Slack and mail server on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tests.fakes.jwks import JwksServer
from tests.fakes.tokens import Forger

from assistance.app import House, Role, live, open_house
from assistance.model import Clock
from assistance.sandbox.slack import FakeSlack
from assistance.sandbox.smtp import FakeSmtp
from assistance.server.server import HttpServer, listen
from assistance.settings import load_settings

AUDIENCE = "https://assistance.example"
ALL = "request-assistance ping read-assistance work-assistance manage-assistance"

ROUTING = """
channels:
  sales-slack: {{type: slack, token: env:SLACK_TOKEN, channel: C0SALES, api_url: {slack}, pace: 1000/s}}
  pricing-mail:
    {{type: email, smtp: env:SMTP_URL, from: Assistance <a@example.com>, to: [pricing@example.com], pace: 1000/s}}
topics:
  sales:
    title: Sales
    description: Quotes, contracts and upgrades
    steps:
      - notify: [sales-slack]
      - {{notify: [pricing-mail], after: 60s, if: undelivered}}
  pricing:
    steps: [{{notify: [pricing-mail]}}]
"""


@dataclass
class Service:
    """A running service and everything it talks to."""

    url: str
    house: House
    slack: FakeSlack
    smtp: FakeSmtp
    jwks: JwksServer
    forger: Forger
    routing_file: Path
    session: aiohttp.ClientSession

    def token(self, scope: str = ALL, sub: str = "bot-1", **claims: Any) -> str:
        return self.forger.token(scope=scope, sub=sub, **claims)

    async def call(
        self,
        method: str,
        path: str,
        *,
        scope: str = ALL,
        sub: str = "bot-1",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> tuple[int, Any, "aiohttp.ClientResponse"]:
        """Status, JSON (None without a body) and the answer."""
        sent = {"Authorization": f"Bearer {self.token(scope, sub)}", **(headers or {})}
        async with self.session.request(
            method, self.url + path, headers=sent, allow_redirects=False, **options
        ) as answer:
            body = await answer.read()
            return answer.status, await answer.json(content_type=None) if body else None, answer

    async def ask(self, topic: str = "sales", description: str = "Help, please", **more: Any) -> Any:
        """A request that is accepted."""
        options = {key: more.pop(key) for key in ("headers", "scope", "sub") if key in more}
        body = {"topic": topic, "description": description, **more}
        status, answer, _ = await self.call("POST", "/assistance", json=body, **options)
        assert status in {200, 201}, answer
        return answer

    async def when(self, request_id: str, status: str, within: float = 10) -> Any:
        """The request once it has this status."""
        deadline = time.monotonic() + within
        headers: dict[str, str] = {}
        while True:
            code, body, answer = await self.call("GET", f"/assistance/{request_id}", headers=headers)
            if code != 304 and body["status"] == status:
                return body
            assert time.monotonic() < deadline, f"{request_id} is not {status}: {body}"
            headers = {"Prefer": "wait=2", "If-None-Match": answer.headers["ETag"]}


@dataclass
class Outside:
    """What a service talks to; it outlives the service. `environ` are the settings that lead there."""

    slack: FakeSlack
    smtp: FakeSmtp
    jwks: JwksServer
    forger: Forger
    session: aiohttp.ClientSession
    routing_file: Path
    environ: dict[str, str]


@asynccontextmanager
async def outside(folder: Path, routing: str = ROUTING, now: float | None = None) -> AsyncIterator[Outside]:
    """Issuer, Slack and mail server, and a routing file in `folder`; tokens are valid from `now` on."""
    async with (
        JwksServer() as jwks,
        FakeSlack(tokens={"xoxb-test"}, channels={"C0SALES"}) as slack,
        FakeSmtp() as smtp,
        aiohttp.ClientSession() as session,
    ):
        forger = Forger(issuer=jwks.issuer, audience=AUDIENCE, now=time.time() if now is None else now)
        jwks.keys = forger.jwks()
        file = folder / "assistance.yaml"
        file.write_text(routing.format(slack=slack.api_url), encoding="utf-8")
        environ = {
            "ASSISTANCE_CONFIG": str(file),
            "ASSISTANCE_DATABASE_URL": f"sqlite:///{folder}/assistance.db",
            "ASSISTANCE_OIDC_ISSUER": jwks.issuer,
            "ASSISTANCE_OIDC_AUDIENCE": AUDIENCE,
            "ASSISTANCE_SECRET_KEY": "a-secret-key-that-is-long-enough",
            "ASSISTANCE_RATE_LIMIT_UNAUTHENTICATED": "off",
            "SLACK_TOKEN": "xoxb-test",
            "SMTP_URL": smtp.url,
        }
        yield Outside(slack, smtp, jwks, forger, session, file, environ)


@asynccontextmanager
async def inside(
    around: Outside, role: Role = Role.ALL, clock: Clock | None = None, **environ: str
) -> AsyncIterator[Service]:
    """The service beside `around`; `environ` overrides its settings."""
    settings = load_settings({**around.environ, **environ}, None, dev=False)
    async with open_house(settings, dev=False, role=role, clock=clock) as house:
        server, stop = HttpServer(house.api, listen("127.0.0.1", 0), clock=house.clock), asyncio.Event()
        life = asyncio.create_task(live(house, server, stop, linger=0))
        try:
            await _ready(around.session, server.url, life)
            yield Service(
                *(server.url, house, around.slack, around.smtp, around.jwks, around.forger),
                *(around.routing_file, around.session),
            )
        finally:
            stop.set()
            await life


@asynccontextmanager
async def running(
    folder: Path, routing: str = ROUTING, role: Role = Role.ALL, clock: Clock | None = None, **environ: str
) -> AsyncIterator[Service]:
    """A service in `folder`, with its own issuer, Slack and mail server."""
    async with outside(folder, routing) as around, inside(around, role, clock, **environ) as service:
        yield service


async def _ready(session: aiohttp.ClientSession, url: str, life: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while True:
            if life.done():
                await life
            try:
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0)
