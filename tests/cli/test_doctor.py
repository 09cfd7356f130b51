"""`doctor`: every leg, working and failing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.fakes.jwks import JwksServer
from tests.fakes.tokens import Forger

from assistance.sandbox.slack import FakeSlack
from assistance.sandbox.smtp import FakeSmtp
from assistance.store import open_store
from assistance.store.engine import migrations

ROUTING = """
channels:
  team: {{type: slack, token: env:SLACK_TOKEN, channel: C0SALES, api_url: {slack}}}
  mail: {{type: email, smtp: env:SMTP_URL, from: a@example.com, to: [b@example.com]}}
  trying: {{type: log}}
topics:
  sales: {{steps: [{{notify: [team, mail, trying]}}]}}
"""


class Surroundings:
    """All that a service in production depends on, on loopback."""

    def __init__(self, slack: FakeSlack, smtp: FakeSmtp, jwks: JwksServer, environ: pytest.MonkeyPatch) -> None:
        self.slack = slack
        self.smtp = smtp
        self.jwks = jwks
        self.set = environ.setenv


@pytest.fixture
async def surroundings(place: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Surroundings]:
    async with (
        FakeSlack(tokens={"xoxb-1"}, channels={"C0SALES"}) as slack,
        FakeSmtp() as smtp,
        JwksServer() as jwks,
        _listener() as collector,
    ):
        jwks.keys = Forger(jwks.issuer, "https://api", time.time()).jwks()
        (place / "assistance.yaml").write_text(ROUTING.format(slack=slack.api_url))
        found = Surroundings(slack, smtp, jwks, monkeypatch)
        found.set("ASSISTANCE_OIDC_ISSUER", jwks.issuer)
        found.set("ASSISTANCE_OIDC_AUDIENCE", "https://api")
        found.set("ASSISTANCE_SECRET_KEY", "a-secret-key-that-is-long-enough")
        found.set("SLACK_TOKEN", "xoxb-1")
        found.set("SMTP_URL", smtp.url)
        found.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        yield found


@asynccontextmanager
async def _listener() -> AsyncIterator[str]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_all_legs_stand(cli: Cli, surroundings: Surroundings) -> None:
    """With everything in order each leg is `ok`, the exit code is 0, and nothing was sent to people."""
    ran = await cli("doctor")
    assert (ran.code, ran.err) == (0, "")
    legs = {line[6:].partition(":")[0]: line[:4].strip() for line in ran.out.splitlines()}
    standing = ["settings", "routing", "secrets", "sqlite", "store", "jwks", "channel team", "channel mail", "otlp"]
    assert legs == {**dict.fromkeys(standing, "ok"), "channel trying": "--"}
    assert surroundings.slack.messages == []
    assert surroundings.smtp.messages == []


async def test_nothing_is_made(cli: Cli, surroundings: Surroundings, place: Path) -> None:
    """A doctor leaves no database behind where there was none."""
    await cli("doctor")
    assert [path.name for path in place.iterdir()] == ["assistance.yaml"]


async def test_each_leg_that_fails_is_shown(cli: Cli, surroundings: Surroundings, place: Path) -> None:
    """Issuer, Slack token, mail server, collector, database: what is wrong with each is shown, all at once."""
    surroundings.jwks.fail(500)
    surroundings.set("SLACK_TOKEN", "xoxb-wrong")
    surroundings.set("SMTP_URL", "smtp://127.0.0.1:1?tls=off")
    surroundings.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    (place / "var").mkdir()
    (place / "var" / "assistance.db").write_bytes(b"this is no database" * 1000)
    ran = await cli("doctor")
    assert ran.failure == "assistance: 5 failed: store, jwks, channel team, channel mail, otlp"
    failing = [line for line in ran.out.splitlines() if line.startswith("FAIL")]
    assert "invalid_auth" in failing[2]
    assert "xoxb-wrong" not in ran.out


async def test_what_is_not_set_is_shown(cli: Cli, place: Path) -> None:
    """Without settings and routing file, those legs fail and what depends on them is not tried."""
    ran = await cli("doctor")
    assert ran.failure == "assistance: 2 failed: settings, routing"
    assert "--    jwks: not tried" in ran.out


async def test_a_running_service_is_left_alone(cli: Cli, surroundings: Surroundings) -> None:
    """While a service has the store, the leg says so and stands."""
    store = open_store("sqlite:///var/assistance.db")
    try:
        ran = await cli("doctor")
    finally:
        store.close()
    assert ran.code == 0
    assert "ok    store: not inspected, a service is running: var/assistance.db is in use by process" in ran.out
    assert f"ok    store: var/assistance.db, schema {migrations.newest()}" in (await cli("doctor")).out
