"""A process that stands still for longer than its lease, and then goes on as if nothing had been."""

import random
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Row
from tests.conftest import Say
from tests.fakes.process import surroundings
from tests.proofs.clients import asks, tell
from tests.proofs.crashes import settled
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

from assistance.sandbox.slack import Fault

HANG = 4.0
"""Seconds until the sleeper has its answer: longer than the lease of `short_leases` and a takeover."""


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
        await tell(sleeper, ask)
        await around.slack.called(1)
        sleeper.signal(signal.SIGSTOP)
        # Not before, or it could be the one that has leased it.
        other = await opened.enter_async_context(serving(around, database, *plants, name="other"))
        await settled(other, database)
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
    """Stopped in mid-send, overtaken by another process, woken up: what it has to say then is not written."""
    before, after, copies = await _overtaken(tmp_path, database, rng, "late_outcome_ignored")
    say(f"{before[0].state} with fence {before[0].fence}, then {after[0].state} with {after[0].fence}; {copies} copy")
    assert before[0].state == "delivered"
    assert after == before
    assert copies == 1


@ONE_IN_CI
async def test_the_stall_finds_a_store_without_fences(tmp_path: Path, database: Database, rng: random.Random, say: Say):
    """With the fence taken out, the late writer overwrites what has been delivered, and the proof says so."""
    before, after, _ = await _overtaken(tmp_path, database, rng, "delivery_retrying", "no_fence")
    say(f"planted no fence: {before[0].state}, then {after[0].state}")
    assert after != before
