"""`kill -9` under load: what was acknowledged is delivered, and only what was being sent may arrive twice."""

import random
import time
from pathlib import Path
from statistics import median

import pytest
from tests.conftest import Say
from tests.fakes.process import surroundings
from tests.proofs.clients import Clients, asks
from tests.proofs.crashes import crashing, drained, judged, resumption
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

RATE = 300
"""Requests a second of a busy hour; on a slower machine as many as it can take."""

LONG = [pytest.mark.long, pytest.mark.timeout(7200)]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("total", "kills"), [(1_000, 3), pytest.param(10_000, 20, marks=LONG), pytest.param(100_000, 200, marks=LONG)]
)
async def test_what_was_acknowledged_before_a_kill_is_delivered(
    total: int, kills: int, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Over kills at random times nothing acknowledged is lost, every copy has its key, and restarts are quick."""
    points = sorted(rng.sample(range(total // 20, total - total // 20), kills))
    async with surroundings(tmp_path, keep=2 * total) as around, serving(around, database) as service:
        clients, began = Clients(service, asks(total, rng), rate=RATE), time.monotonic()
        crashes = await crashing(clients, service, database, service.kill, points, rng)
        asked_in = time.monotonic() - began - sum(crash.starting for crash in crashes)
        await drained(service, database)
        findings = judged(around, clients.log, database, crashes)
        starts, resumed = [crash.starting for crash in crashes], resumption(around, crashes)
    share = findings.duplicates / findings.delivered
    say(
        f"{kills} kills at {total / asked_in:.0f}/s (wanted {RATE}/s): {findings} ({share:.2%} twice, goal 0.5 %), "
        f"in flight {[len(crash.in_flight) for crash in crashes][:20]}"
    )
    say(f"ready again after {median(starts):.2f} s (worst {max(starts):.2f} s), goal 2 s; then what was in flight")
    say(f"arrived after {median(resumed):.2f} s (worst {max(resumed):.2f} s), goal {database.takeover + 1:g} s")
    assert findings.violations == []
    assert findings.acknowledged >= 0.9 * total
    assert median(resumed) < database.takeover + 3


@ONE_IN_CI
async def test_the_kill_finds_a_service_that_answers_before_it_commits(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """With the planted answer before the commit, acknowledged requests are lost, and the checker finds it."""
    async with surroundings(tmp_path) as around, serving(around, database, "answer_before_commit") as service:
        clients = Clients(service, asks(300, rng))
        crashes = await crashing(clients, service, database, service.kill, [rng.randint(50, 250)], rng)
        await drained(service, database)
        findings = judged(around, clients.log, database, crashes)
    say(f"planted answer before commit: {findings}")
    assert findings.lost
