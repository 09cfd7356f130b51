"""More load than the service can take: it keeps what it accepts, refuses the rest at once, and then recovers."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, Surroundings, surroundings
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.flood import Outcome, Stretch
from tests.proofs.launch import serving
from tests.proofs.load import percentile

pytestmark = pytest.mark.alone
TIMES = 5
CALM = 50
"""Requests a second that every machine can take."""
ROUTING = """
channels:
  sales-slack: {{type: slack, token: env:SLACK_TOKEN, channel: C0SALES, api_url: {slack}}}
topics:
  sales:
    steps: [{{notify: [sales-slack]}}]
"""
ASK = """POST /assistance HTTP/1.1\r
Host: assistance.example\r
Authorization: {bearer}\r
Content-Type: application/json\r
Content-Length: {length}\r
\r
{body}"""
BODY = '{"topic": "sales", "description": "I would like to talk to somebody about a hundred licences."}'
Flood = Callable[[Stretch], Awaitable[Outcome]]
LONG = pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(600)])


@pytest.mark.parametrize("seconds", [4, LONG], ids=str)
@ONE_IN_CI
async def test_who_asks_too_much_at_once_is_told_so_and_nothing_else_suffers(
    seconds: int, tmp_path: Path, database: Database, say: Say
):
    """Five times its capacity, from more connections than it allows: every answer is 201 or 503.

    What was acknowledged is stored once, and right after the overload every request is served.
    """
    async with (
        surroundings(tmp_path, ROUTING) as around,
        serving(around, database) as service,
        flooding(service, around) as flood,
    ):
        first = await flood(Stretch(1, connections=64))  # what runs for the first time runs slower
        flat_out = Stretch(max(2, seconds / 10), connections=64)
        before = await flood(flat_out)
        over = await flood(Stretch(seconds, connections=2_000, rate=TIMES * _goodput(before)))
        after = await flood(Stretch(5, connections=64, rate=CALM))
        again = await flood(flat_out)
        stored = database.read("SELECT count(*) AS number FROM requests")[0].number
    peaks = _goodput(before), _goodput(again)  # the machine's speed varies
    share = _goodput(over) / mean(peaks)
    say(f"asked {TIMES} x its peak of {peaks[0]:.0f}/s, later {peaks[1]:.0f}/s: goodput {share:.0%} of their mean")
    say(f"goal 80 %; {_times(over)}")
    say(f"{over.unsent} more found no connection of 2,000; right after, at {CALM}/s: {_times(after)}")
    assert set(over.answers) == {"201", "503"}
    every = first, before, over, after, again
    assert [set(outcome.answers) for outcome in (before, after, again)] == [{"201"}] * 3
    assert [outcome.lost for outcome in every] == [0] * len(every)
    assert stored == sum(len(outcome.answers["201"]) for outcome in every)
    assert percentile(after.answers["201"][-CALM:], 99) < 0.25
    assert share > 0.6


def _goodput(outcome: Outcome) -> float:
    return len(outcome.answers["201"]) / outcome.seconds


def _times(outcome: Outcome) -> str:
    return ", ".join(_latencies(status, seconds) for status, seconds in sorted(outcome.answers.items()))


def _latencies(status: str, seconds: Sequence[float]) -> str:
    p50, p99 = (1000 * percentile(seconds, percent) for percent in (50, 99))
    return f"{len(seconds)} x {status}, p50 {p50:.0f} ms, p99 {p99:.0f} ms"


@asynccontextmanager
async def flooding(
    service: ServiceProcess, around: Surroundings
) -> AsyncIterator[Callable[[Stretch], Awaitable[Outcome]]]:
    """The process that sends the load."""
    ask = ASK.format(bearer=around.bearer["Authorization"], length=len(BODY), body=BODY)
    program = sys.executable, "-m", "tests.proofs.flood", str(service.port), ask
    flood = await asyncio.create_subprocess_exec(
        *program, cwd=Path(__file__).parents[2], stdin=PIPE, stdout=PIPE, limit=2**28
    )
    assert flood.stdin is not None
    assert flood.stdout is not None
    says, hears = flood.stdout, flood.stdin

    async def run(stretch: Stretch) -> Outcome:
        hears.write(json.dumps(asdict(stretch)).encode() + b"\n")
        return Outcome(**json.loads(await says.readline()))

    try:
        yield run
    finally:
        flood.kill()
        await flood.wait()
