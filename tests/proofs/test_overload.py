"""More than the service can do: what it takes it keeps, the rest is told so at once, and then all is as before."""

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
from tests.proofs.flood import Stretch, Told
from tests.proofs.launch import serving
from tests.proofs.load import percentile

pytestmark = pytest.mark.alone
TIMES = 5
CALM = 50
"""Asks a second that are no trouble to any machine."""
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
Flood = Callable[[Stretch], Awaitable[Told]]
LONG = pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(600)])


@pytest.mark.parametrize("seconds", [4, LONG], ids=str)
@ONE_IN_CI
async def test_who_asks_too_much_at_once_is_told_so_and_nothing_else_suffers(
    seconds: int, tmp_path: Path, database: Database, say: Say
):
    """Five times what it can do, from more connections than it lets in: 201 or 503, nothing in between.

    What was acknowledged is stored, each once, and right after it everybody is served again.
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
    peaks = _goodput(before), _goodput(again)  # the machine is not as fast at all times
    share = _goodput(over) / mean(peaks)
    say(f"asked {TIMES} x its peak of {peaks[0]:.0f}/s, later {peaks[1]:.0f}/s: goodput {share:.0%} of their mean")
    say(f"goal 80 %; {_times(over)}")
    say(f"{over.unsent} more found no connection of 2,000; right after, at {CALM}/s: {_times(after)}")
    assert set(over.answers) == {"201", "503"}
    every = first, before, over, after, again
    assert [set(told.answers) for told in (before, after, again)] == [{"201"}] * 3
    assert [told.lost for told in every] == [0] * len(every)
    assert stored == sum(len(told.answers["201"]) for told in every)
    assert percentile(after.answers["201"][-CALM:], 99) < 0.25
    assert share > 0.6


def _goodput(told: Told) -> float:
    return len(told.answers["201"]) / told.seconds


def _times(told: Told) -> str:
    return ", ".join(_latencies(status, seconds) for status, seconds in sorted(told.answers.items()))


def _latencies(status: str, seconds: Sequence[float]) -> str:
    p50, p99 = (1000 * percentile(seconds, percent) for percent in (50, 99))
    return f"{len(seconds)} x {status}, p50 {p50:.0f} ms, p99 {p99:.0f} ms"


@asynccontextmanager
async def flooding(
    service: ServiceProcess, around: Surroundings
) -> AsyncIterator[Callable[[Stretch], Awaitable[Told]]]:
    """A process that asks."""
    ask = ASK.format(bearer=around.bearer["Authorization"], length=len(BODY), body=BODY)
    program = sys.executable, "-m", "tests.proofs.flood", str(service.port), ask
    flood = await asyncio.create_subprocess_exec(
        *program, cwd=Path(__file__).parents[2], stdin=PIPE, stdout=PIPE, limit=2**28
    )
    assert flood.stdin is not None
    assert flood.stdout is not None
    says, hears = flood.stdout, flood.stdin

    async def run(stretch: Stretch) -> Told:
        hears.write(json.dumps(asdict(stretch)).encode() + b"\n")
        return Told(**json.loads(await says.readline()))

    try:
        yield run
    finally:
        flood.kill()
        await flood.wait()
