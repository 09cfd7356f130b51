"""Slack is down, hangs or limits: bots are answered as before, and everything arrives when Slack is back."""

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, Surroundings, surroundings
from tests.proofs.clients import Ask, asks
from tests.proofs.crashes import drained, judged
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving
from tests.proofs.load import Phase, steadily

from assistance.sandbox.slack import Fault, SlackCall

pytestmark = pytest.mark.alone
RATE = 100
RETRY_AFTER = 2
CONCURRENCY = 16
"""Concurrent sends of one lane: that many may be under way at Slack's first 429."""
LONG = pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(600)])

TROUBLE = {"limiting": Fault(retry_after=RETRY_AFTER), "hanging": Fault(hang=True), "down": None}


@pytest.mark.parametrize("seconds", [4, LONG], ids=str)
@pytest.mark.parametrize("trouble", TROUBLE)
@ONE_IN_CI
async def test_trouble_at_slack_is_not_felt_by_who_asks(
    trouble: str, seconds: int, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Every request gets 201 as fast as before; nothing is sent before `Retry-After`, all is delivered after it."""
    log = asks(RATE * (seconds + 2), rng)
    for ask in log:
        ask.topic = "sales"
    async with surroundings(tmp_path, keep=4 * len(log)) as around, serving(around, database) as service:
        before, during = await _phases(service, trouble, log[: 2 * RATE], log[2 * RATE :])
        began = asyncio.get_running_loop().time()
        await drained(service, database, within=60)
        later = asyncio.get_running_loop().time() - began
        findings = judged(around, log, database)
        calls = around.slack.calls
    change = during.typical_p99() - before.typical_p99()
    say(f"before: {before}; during: {during}")
    say(f"p99 of the median second {change * 1000:+.1f} ms, goal 10 % or 5 ms; all delivered {later:.1f} s later")
    say(str(findings))
    assert set(before.statuses) == set(during.statuses) == {201}
    assert change < before.typical_p99() + 0.05
    assert _too_soon(calls) == []
    assert findings.violations == []


async def _phases(
    service: ServiceProcess, trouble: str, healthy: Sequence[Ask], troubled: Sequence[Ask]
) -> tuple[Phase, Phase]:
    slack = service.around.slack
    await steadily(service, healthy[: len(healthy) // 2], RATE)  # what runs for the first time runs slower
    before = await steadily(service, healthy[len(healthy) // 2 :], RATE)
    slack.always(TROUBLE[trouble])
    if trouble == "down":
        await slack.down()
    during = await steadily(service, troubled, RATE)
    await _mend(service.around)
    return before, during


async def _mend(around: Surroundings) -> None:
    """Slack works again, and calls that hang in it are cut off."""
    around.slack.always(None)
    await around.slack.down()
    await around.slack.up()


def _too_soon(calls: Sequence[SlackCall]) -> list[str]:
    """Calls that came before `Retry-After` was over, without those under way at the first 429."""
    found = []
    frozen_until, on_their_way = 0.0, 0
    for last, call in pairwise(calls):
        if last.verdict == "ratelimited" and last.at >= frozen_until:
            frozen_until, on_their_way = last.at + RETRY_AFTER, CONCURRENCY - 1
        if call.at < frozen_until:
            on_their_way -= 1
            if on_their_way < 0:
                found.append(f"{call.verdict} {frozen_until - call.at:.2f} s too soon")
    return found
