"""Processes that accept and processes that send, on one PostgreSQL, answer as one process does."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.clock import until
from tests.fakes.postgres import Postgres
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.databases import postgresql
from tests.proofs.launch import fleet

from assistance.sandbox.slack import Fault

ROUTING = """
channels:
  sales-slack: {{type: slack, token: env:SLACK_TOKEN, channel: C0SALES, api_url: {slack}, pace: 100/s}}
  pricing-mail:
    {{type: email, smtp: env:SMTP_URL, from: Assistance <a@example.com>, to: [pricing@example.com]}}
topics:
  sales:
    steps: [{{notify: [sales-slack]}}, {{notify: [pricing-mail], after: 60s, if: undelivered}}]
"""


@pytest.mark.alone
async def test_who_waits_for_an_answer_hears_of_it_soon(tmp_path: Path, postgres: Postgres, say: Say):
    """`Prefer: wait` ends soon after the channel has the message, or, where that is parked, after the next channel."""
    database = postgresql(postgres.at(postgres.migrated()))
    async with surroundings(tmp_path, ROUTING) as around, fleet(around, database, of_each=1) as ships:
        [api] = ships.apis
        await _told(api)  # what runs for the first time runs slower
        healthy = await _told(api)
        around.slack.always(Fault(error="invalid_auth"))
        await _told(api)
        parked = [await _told(api) for _ in range(5)]
    say(f"notified after {healthy:.2f} s; with the first channel parked, after {max(parked):.2f} s at most")
    assert healthy < 0.9
    assert max(parked) < 2
    assert len(around.smtp.messages) == 6


@pytest.mark.parametrize("said", ["channels/sales-slack/test", "reload", "replay"])
async def test_a_channel_that_was_mended_is_tried_by_those_who_send(
    tmp_path: Path, postgres: Postgres, said: str, say: Say
):
    """An operator's call to a process that does not send takes effect before the channel's next probe."""
    database = postgresql(postgres.at(postgres.migrated()))
    async with surroundings(tmp_path, ROUTING) as around, fleet(around, database, of_each=1) as ships:
        [api] = ships.apis
        around.slack.always(Fault(error="invalid_auth"))
        await _told(api)
        around.slack.always(None)
        began = time.monotonic()
        body = {"state": "parked"} if said == "replay" else None
        async with around.session.post(f"{api.url}/-/{said}", json=body, headers=around.bearer) as answer:
            assert answer.status == 200
        await until(lambda: any("Please call" in message.text for message in around.slack.messages), within=20)
        took = time.monotonic() - began
    say(f"sent after {took:.2f} s")
    assert took < 5


async def test_a_process_that_does_not_send_knows_how_the_channels_are(tmp_path: Path, postgres: Postgres):
    """`GET /-/channels` of any process shows what the sending processes know."""
    database = postgresql(postgres.at(postgres.migrated()))
    async with surroundings(tmp_path, ROUTING) as around, fleet(around, database, of_each=1) as ships:
        [api] = ships.apis
        around.slack.always(Fault(status=500))
        for _ in range(6):
            await _ask(api)
        await until_told(api, "failing")
        around.slack.always(None)
        await until_told(api, "ok")


async def until_told(api: ServiceProcess, health: str) -> None:
    """Return when `GET /-/channels` shows Slack in this state."""
    async with asyncio.timeout(30):
        while await _health(api) != health:
            pass


async def _health(api: ServiceProcess) -> str:
    async with api.around.session.get(f"{api.url}/-/channels", headers=api.around.bearer) as answer:
        channels = {each["channel"]: each for each in (await answer.json())["data"]}
    return str(channels["sales-slack"]["health"])


async def _ask(api: ServiceProcess) -> None:
    ask = {"topic": "sales", "description": "Please call"}
    async with api.around.session.post(f"{api.url}/assistance", json=ask, headers=api.around.bearer) as answer:
        assert answer.status == 201


async def _told(api: ServiceProcess) -> float:
    """The seconds until the bot sees the request as notified."""
    began = time.monotonic()
    headers = {**api.around.bearer, "Prefer": "wait=20"}
    ask = {"topic": "sales", "description": "Please call"}
    async with api.around.session.post(f"{api.url}/assistance", json=ask, headers=headers) as answer:
        assert (await answer.json())["status"] == "notified"
    return time.monotonic() - began
