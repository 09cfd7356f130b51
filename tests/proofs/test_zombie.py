"""A process that is stopped for longer than its lease, and then goes on."""

import random
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Row
from tests.conftest import Say
from tests.fakes.process import surroundings
from tests.proofs.clients import asks, send
from tests.proofs.crashes import drained
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

from assistance.sandbox.slack import Fault

HANG = 4.0
"""Seconds until the stopped process has its answer: longer than a lease of `short_leases` and a takeover."""


async def _overtaken(
    folder: Path, database: Database, rng: random.Random, says: str, *bugs: str
) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]], int]:
    """What is stored once another process has delivered, what after the sleeper `says` its word, and the copies."""
    (ask,) = asks(1, rng)
    ask.topic = "sales"
    plants = ("short_leases", *database.sharing, *bugs)
    async with AsyncExitStack() as opened:
        around = await opened.enter_async_context(surroundings(folder))
        sleeper = await opened.enter_async_context(serving(around, database, *plants, name="sleeper"))
        around.slack.script(Fault(hang=HANG, status=500))
        await send(sleeper, ask)
        await around.slack.called(1)
        sleeper.signal(signal.SIGSTOP)
        # Not before, or it could lease the delivery first.
        other = await opened.enter_async_context(serving(around, database, *plants, name="other"))
        await drained(other, database)
        before = _stored(database)
        sleeper.signal(signal.SIGCONT)
        await sleeper.logged(says)
        await other.when(lambda: _nothing_more(database))
        after = _stored(database)
        return before, after, len(around.slack.messages)


async def _nothing_more(database: Database) -> bool:
    return database.owed() == 0 or _stored(database)[0].state == "retrying"


def _stored(database: Database) -> Sequence[Row[Any]]:
    return database.read(
        "SELECT d.request_id, d.n, d.state, d.attempts, d.fence, d.reference, r.status, r.sequence,"
        " (SELECT count(*) FROM attempts a WHERE a.request_id = d.request_id) AS tries"
        " FROM deliveries d JOIN requests r ON r.id = d.request_id"
    )


async def test_a_late_writer_changes_nothing(tmp_path: Path, database: Database, rng: random.Random, say: Say):
    """Stopped while sending, its lease taken over by another process, continued: its late outcome is not recorded."""
    before, after, copies = await _overtaken(tmp_path, database, rng, "late_outcome_ignored")
    say(f"{before[0].state} with fence {before[0].fence}, then {after[0].state} with {after[0].fence}; {copies} copy")
    assert before[0].state == "delivered"
    assert after == before
    assert copies == 1


@ONE_IN_CI
async def test_the_stall_finds_a_store_without_fences(tmp_path: Path, database: Database, rng: random.Random, say: Say):
    """Without the fence, the late outcome overwrites the delivery, and the check above finds it."""
    before, after, _ = await _overtaken(tmp_path, database, rng, "delivery_retrying", "no_fence")
    say(f"planted no fence: {before[0].state}, then {after[0].state}")
    assert after != before
