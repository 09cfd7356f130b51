"""Dispatchers of several processes on one PostgreSQL, in real time: its server's clock is the one they share."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from opentelemetry.trace import NoOpTracer
from tests.dispatch.far_side import FarSide, Scripted
from tests.fakes.clock import until
from tests.fakes.postgres import Postgres

from assistance.dispatch import Dispatcher, dispatcher, housekeeping
from assistance.intake import Ask, Caller, Intake
from assistance.model import Misconfigured, Reason, SystemClock, TryLater
from assistance.outgoing import Http
from assistance.routing import Routing, Step, Topic
from assistance.store import open_store
from assistance.telemetry import set_up_metrics

PROCESSES = 2


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    return postgres.at(postgres.emptied())


def routing(channel: str, far: FarSide, pace: str | None) -> Routing:
    """One topic, one channel of its own for each test: they share the database."""
    channels = {channel: Scripted(far=far) if pace is None else Scripted(far=far, pace=pace)}
    topic = Topic("sales", "Sales", "", None, (Step((channel,)),))
    return Routing("f", "", {"sales": topic}, channels, {}, {}, (), (), {})


@asynccontextmanager
async def process(url: str, owner: str, known: Routing) -> AsyncIterator[tuple[Dispatcher, Intake]]:
    """A process that takes in and dispatches, without the web."""
    clock, store, metrics = SystemClock(), open_store(url), set_up_metrics({}, "test")
    dispatcher = Dispatcher(
        store,
        Http(),
        clock,
        owner=owner,
        jitter=random.uniform,
        is_open=lambda _hours, _at: True,
        metrics=metrics,
        tracer=NoOpTracer(),
    )
    await dispatcher.configure(known.channels)
    running = asyncio.create_task(dispatcher.run())
    yield dispatcher, Intake(store, lambda: known, clock, metrics, dispatcher)
    await dispatcher.stop()
    await running
    store.close()
    metrics.shutdown()


@asynccontextmanager
async def processes(url: str, known: Routing) -> AsyncIterator[list[tuple[Dispatcher, Intake]]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(process(url, f"p{n}", known)) for n in range(PROCESSES)]


async def ask(intake: Intake, text: str = "Help") -> str:
    accepted = await intake.accept(Ask(topic="sales", description=text), Caller("bot"))
    return f"{accepted.request.id}.1"


async def say_mended(url: str, channel: str) -> None:
    """As a process does that does not send."""
    store = open_store(url)
    await store.try_parked(channel)
    store.close()


async def test_all_processes_together_keep_the_pace_of_a_channel(url: str):
    """What comes in at all of them goes out as from one bucket: ten at once, then one each tenth of a second."""
    far = FarSide(SystemClock())
    async with processes(url, routing("paced", far, "10/s")) as both:
        begun = SystemClock().monotonic()
        asked = await asyncio.gather(*(ask(both[n % PROCESSES][1]) for n in range(30)))
        await until(lambda: len(far.dequeued) == 30, within=20)
    assert sorted(far.keys) == sorted(asked)
    # A busy machine may send late what was leased in time, but nothing before the bucket held it.
    for place, at in enumerate(sorted(far.times)):
        assert at - begun >= (place + 1 - 10) / 10 - 0.02


async def test_no_message_goes_out_twice(url: str):
    """Two processes that look into the same queue never lease the same."""
    far = FarSide(SystemClock())
    async with processes(url, routing("shared", far, None)) as both:
        asked = await asyncio.gather(*(ask(both[n % PROCESSES][1]) for n in range(300)))
        await until(lambda: len(far.dequeued) >= 300, within=30)
    assert sorted(far.keys) == sorted(asked)


async def test_retry_after_holds_in_every_process(url: str):
    """One of them heard it; what comes in at the other, once it knows, waits as well."""
    far = FarSide(SystemClock())
    far.script.append(lambda: TryLater(Reason.RATE_LIMITED, 3.0))
    async with processes(url, routing("limited", far, None)) as (one, other):
        begun = SystemClock().monotonic()
        await ask(one[1])
        await until(lambda: one[0].lanes["limited"].closed and other[0].lanes["limited"].closed)
        await ask(other[1])
        await until(lambda: len(far.dequeued) == 2, within=20)
    assert min(far.times[1:]) - begun >= 3.0


async def test_what_one_process_parks_and_mends_is_parked_and_mended_in_all(url: str):
    """Neither sends to a channel that the other found wrong, and neither keeps it parked when it was mended."""
    far = FarSide(SystemClock())
    far.always = lambda: Misconfigured(Reason.CREDENTIALS)
    async with processes(url, routing("wrong", far, None)) as (one, other):
        await ask(one[1])
        await until(lambda: one[0].parked.keys() == other[0].parked.keys() == {"wrong"})
        far.always = None
        await say_mended(url, "wrong")
        await until(lambda: not one[0].parked and not other[0].parked)
        await ask(other[1])
        await until(lambda: len(far.dequeued) == 2)
    assert len(far.tried) == 3


async def test_what_is_not_renewed_is_taken_up_soon_after_its_lease(url: str, monkeypatch: pytest.MonkeyPatch):
    """Another process looks for it all the time, not only when it keeps house."""
    monkeypatch.setattr(dispatcher, "LEASE", 2.0)
    far = FarSide(SystemClock())
    far.script.append(asyncio.Event())
    async with processes(url, routing("held", far, None)) as (one, _other):
        await ask(one[1])
        await until(lambda: len(far.tried) == 2, within=housekeeping.EVERY - 2)
        far.let_go()
    assert far.times[1] - far.times[0] > 1.9
