"""Dispatchers of several processes on one PostgreSQL, in real time: its server's clock is the one they share."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from opentelemetry.trace import NoOpTracer
from tests.dispatch.provider import Provider, Scripted
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


def routing(channel: str, provider: Provider, pace: str | None) -> Routing:
    """One topic, one channel of its own for each test: they share the database."""
    channels = {channel: Scripted(provider=provider) if pace is None else Scripted(provider=provider, pace=pace)}
    topic = Topic("sales", "Sales", "", None, (Step((channel,)),))
    return Routing("f", "", {"sales": topic}, channels, {}, {}, (), (), {})


@asynccontextmanager
async def process(url: str, owner: str, known: Routing) -> AsyncIterator[tuple[Dispatcher, Intake]]:
    """A process that accepts and dispatches, without the web."""
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
    yield dispatcher, Intake(store, lambda: known, clock, metrics)
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
    provider = Provider(SystemClock())
    async with processes(url, routing("paced", provider, "10/s")) as both:
        begun = SystemClock().monotonic()
        asked = await asyncio.gather(*(ask(both[n % PROCESSES][1]) for n in range(30)))
        await until(lambda: len(provider.delivered) == 30, within=20)
    assert sorted(provider.keys) == sorted(asked)
    # A busy machine may send late what was leased in time, but nothing before the bucket held it.
    for place, at in enumerate(sorted(provider.times)):
        assert at - begun >= (place + 1 - 10) / 10 - 0.02


async def test_no_message_goes_out_twice(url: str):
    """Two processes that dequeue from the same queue never lease the same."""
    provider = Provider(SystemClock())
    async with processes(url, routing("shared", provider, None)) as both:
        asked = await asyncio.gather(*(ask(both[n % PROCESSES][1]) for n in range(300)))
        await until(lambda: len(provider.delivered) >= 300, within=30)
    assert sorted(provider.keys) == sorted(asked)


async def test_retry_after_holds_in_every_process(url: str):
    """One of them got it; what is accepted by the other, once it knows, waits as well."""
    provider = Provider(SystemClock())
    provider.script.append(lambda: TryLater(Reason.RATE_LIMITED, 3.0))
    async with processes(url, routing("limited", provider, None)) as (one, other):
        begun = SystemClock().monotonic()
        await ask(one[1])
        await until(lambda: one[0].lanes["limited"].closed and other[0].lanes["limited"].closed)
        await ask(other[1])
        await until(lambda: len(provider.delivered) == 2, within=20)
    assert min(provider.times[1:]) - begun >= 3.0


async def test_what_one_process_parks_and_mends_is_parked_and_mended_in_all(url: str):
    """Neither sends to a channel that the other found wrong, and neither keeps it parked when it was mended."""
    provider = Provider(SystemClock())
    provider.always = lambda: Misconfigured(Reason.CREDENTIALS)
    async with processes(url, routing("wrong", provider, None)) as (one, other):
        await ask(one[1])
        await until(lambda: one[0].parked.keys() == other[0].parked.keys() == {"wrong"})
        provider.always = None
        await say_mended(url, "wrong")
        await until(lambda: not one[0].parked and not other[0].parked)
        await ask(other[1])
        await until(lambda: len(provider.delivered) == 2)
    assert len(provider.tried) == 3


async def test_what_is_not_renewed_is_leased_again_soon_after_its_lease(url: str, monkeypatch: pytest.MonkeyPatch):
    """Another process recovers leases all the time, not only with the rest of its housekeeping."""
    monkeypatch.setattr(dispatcher, "LEASE", 2.0)
    provider = Provider(SystemClock())
    provider.script.append(asyncio.Event())
    async with processes(url, routing("held", provider, None)) as (one, _other):
        await ask(one[1])
        await until(lambda: len(provider.tried) == 2, within=housekeeping.EVERY - 2)
        provider.recover()
    assert provider.times[1] - provider.times[0] > 1.9
