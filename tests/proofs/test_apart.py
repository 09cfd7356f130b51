"""Processes that accept and processes that send, on one PostgreSQL: nobody notices that they are apart."""

import time
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.postgres import Postgres
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.databases import postgresql
from tests.proofs.launch import fleet

from assistance.sandbox.slack import Fault

pytestmark = pytest.mark.alone
ROUTING = """
channels:
  sales-slack: {{type: slack, token: env:SLACK_TOKEN, channel: C0SALES, api_url: {slack}, pace: 100/s}}
  pricing-mail:
    {{type: email, smtp: env:SMTP_URL, from: Assistance <a@example.com>, to: [pricing@example.com]}}
topics:
  sales:
    steps: [{{notify: [sales-slack]}}, {{notify: [pricing-mail], after: 60s, if: undelivered}}]
"""


async def test_who_waits_for_an_answer_hears_of_it_soon(tmp_path: Path, postgres: Postgres, say: Say):
    """`Prefer: wait` ends soon after the channel has it; where that is parked, soon after the next one has it."""
    database = postgresql(postgres.at(postgres.migrated()))
    async with surroundings(tmp_path, ROUTING) as around, fleet(around, database, of_each=1) as ships:
        [api] = ships.apis
        await _told(api)  # what runs for the first time runs slower
        healthy = await _told(api)
        around.slack.always(Fault(error="invalid_auth"))
        await _told(api)
        parked = [await _told(api) for _ in range(5)]
    say(f"told after {healthy:.2f} s; with the first channel parked, after {max(parked):.2f} s at most")
    assert healthy < 0.9
    assert max(parked) < 2
    assert len(around.smtp.messages) == 6


async def _told(api: ServiceProcess) -> float:
    """The seconds until the bot knows that somebody has been told."""
    began = time.monotonic()
    headers = {**api.around.bearer, "Prefer": "wait=20"}
    ask = {"topic": "sales", "description": "Please call"}
    async with api.around.session.post(f"{api.url}/assistance", json=ask, headers=headers) as answer:
        assert (await answer.json())["status"] == "notified"
    return time.monotonic() - began
