"""A bad network on one side of the service: all requests are answered, nothing is lost or needlessly sent twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, surroundings
from tests.fakes.toxic import ToxicProxy, to
from tests.proofs.checker import check
from tests.proofs.clients import Ask, asks, send
from tests.proofs.crashes import drained
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving
from tests.proofs.load import Phase, steadily
from tests.proofs.sinks import copies
from tests.proofs.toxics import SPELLS, cast, doubtful, lift, reasons, troubled

RATE = 20
PATIENCE = 10.0
"""The most seconds that a caller waits for the store."""
SHORT, LONG = 0.5, pytest.param(20.0, marks=[pytest.mark.long, pytest.mark.timeout(1800)])
"""Seconds of each spell: a short disturbance, and longer than any time-out."""


@pytest.mark.parametrize("seconds", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("leg", ["slack", "smtp", "jwks"])
@ONE_IN_CI
async def test_who_asks_does_not_feel_the_network_behind_the_service(
    leg: str, seconds: float, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Every request gets 201 whatever happens on that leg; then all is delivered, once if each outcome is known."""
    async with surroundings(tmp_path, keep=100_000) as around, troubled(leg, around, database, rng) as (service, proxy):
        log, phase = await _under_trouble(service, proxy, seconds, rng)
        await drained(service, database, within=60 + 30 * seconds)
        findings = check(log, copies(around), database, doubtful(database))
        failed = reasons(database)
    say(f"{phase}; {findings}; tries {dict(failed)}")
    assert set(phase.statuses) == {201}
    assert max(phase.seconds) < PATIENCE
    assert findings.violations == []
    assert service.log("request failed") == service.log("channel_bug") == []


@pytest.mark.parametrize("seconds", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_store_behind_a_bad_network_is_waited_for_or_said_to_be_away(
    seconds: float, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """201, or 503 in time; repeated with their keys, all are stored once and delivered once."""
    if seconds > SHORT:
        # Leases that end while the store is silent are the subject of test_zombie.py.
        database = replace(database, plants=())
    async with (
        surroundings(tmp_path, keep=100_000) as around,
        troubled("postgresql", around, database, rng) as (service, proxy),
    ):
        log, phase = await _under_trouble(service, proxy, seconds, rng)
        refused = [ask for ask in log if not ask.acknowledged]
        said = Counter(bool(ask.retry_after) for ask in refused)
        await service.when(service.ready, 30)
        again = await _again(service, [ask for ask in refused if ask.key])
        await drained(service, database, within=90)
        findings = check(log, copies(around), database)
    say(f"{phase}; then {again}; {findings}")
    assert set(phase.statuses) <= {201, 503}
    assert said[False] == 0
    assert max(phase.seconds) < PATIENCE + 5
    assert set(again) <= {201}
    assert findings.violations == []
    assert service.log("request failed") == []


@pytest.mark.parametrize("seconds", [SHORT, LONG], ids=["short", "long"])
@ONE_IN_CI
async def test_bots_behind_a_bad_network_are_no_trouble(
    seconds: float, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Every answer is 201 and nothing fails in the service; repeated with their keys, the others are stored once."""
    async with surroundings(tmp_path, keep=100_000) as around, serving(around, database) as service:
        async with ToxicProxy(to("127.0.0.1", service.port), rng) as proxy:
            direct, service.url = service.url, f"http://127.0.0.1:{proxy.port}"
            # On a forgotten connection a client gets no answer until its own time-out.
            log, phase = await _under_trouble(service, proxy, seconds, rng, without={"oblivion"})
            service.url = direct
        again = await _again(service, [ask for ask in log if ask.key and not ask.acknowledged])
        ready = await service.ready()
        await drained(service, database, within=60)
        findings = check(log, copies(around), database)
        answered = Counter(line["status"] for line in service.log("request") if line["route"] == "/assistance")
    say(f"{phase}; then {again}; {findings}; the service's own log: {dict(answered)}")
    assert set(phase.statuses) <= {201, "lost"}
    assert set(again) <= {201}
    assert ready
    assert findings.violations == []
    assert service.log("request failed") == []
    assert set(answered) <= {201, None}


async def _under_trouble(
    service: ServiceProcess, proxy: ToxicProxy, seconds: float, rng: random.Random, without: Collection[str] = ()
) -> tuple[list[Ask], Phase]:
    """Steady load through all spells in random order, with a pause after each."""
    spells = rng.sample(sorted(SPELLS.keys() - without), len(SPELLS) - len(without))
    log = asks(int(RATE * 1.5 * seconds * len(spells)), rng)
    asking = asyncio.create_task(steadily(service, log, RATE))
    for name in spells:
        await asyncio.wait({asking}, timeout=seconds / 2)
        await cast(proxy, SPELLS[name], rng)
        await asyncio.wait({asking}, timeout=seconds)
        await lift(proxy, SPELLS[name])
    return log, await asking


async def _again(service: ServiceProcess, log: Sequence[Ask]) -> Counter[int | None]:
    for ask in log:
        await send(service, ask)
    return Counter(ask.status for ask in log)
