"""The clock jumps, an hour and a year, forwards and backwards, while the service runs.

Python's clock is shifted: the usual tool, libfaketime 0.9.10, makes `clock_nanosleep` and so `time.sleep` fail.
"""

import asyncio
import random
import time
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import surroundings
from tests.fakes.tokens import ABSENT
from tests.proofs.clients import Clients, asks
from tests.proofs.crashes import drained, judged, restart
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

from assistance.sandbox.slack import Fault

_HOUR, _YEAR = 3600, 365 * 86_400


@pytest.mark.parametrize(
    "offset",
    [
        pytest.param(_HOUR, id="+1 h"),
        pytest.param(_YEAR, id="+1 y", marks=pytest.mark.long),
        pytest.param(-_HOUR, id="-1 h"),
        pytest.param(-_YEAR, id="-1 y", marks=pytest.mark.long),
    ],
)
@ONE_IN_CI
async def test_a_clock_that_jumps_costs_no_message(
    offset: int, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """The clock jumps while messages wait and are sent: all that was acknowledged is delivered once, and soon."""
    log = asks(300, rng)
    async with surroundings(tmp_path) as around:
        around.bearer = {"Authorization": f"Bearer {around.token(iat=ABSENT, exp=around.forger.now + 3 * _YEAR)}"}
        around.slack.always(Fault(hang=0.1))
        _set(tmp_path, 0)
        async with serving(around, database, "shifted_clock", SHIFT=str(tmp_path / "shift")) as service:
            clients = Clients(service, log)
            asking = asyncio.create_task(clients.run())
            await clients.reached(150)
            waiting = database.owed()
            _set(tmp_path, offset)
            await asking
            around.slack.always(None)
            await drained(service, database)
            findings = judged(around, log, database)
    say(f"{waiting} waiting at the jump: {findings}")
    assert findings.violations == []
    assert findings.acknowledged == len(log)


@ONE_IN_CI
async def test_a_clock_that_is_set_costs_nothing_over_a_restart_either(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """The clock goes back an hour and the service restarts: no delivery waits for the old time."""
    log = asks(300, rng)
    async with surroundings(tmp_path) as around:
        around.bearer = {"Authorization": f"Bearer {around.token(iat=ABSENT, exp=around.forger.now + 3 * _YEAR)}"}
        around.slack.always(Fault(hang=0.1))
        _set(tmp_path, 0)
        async with serving(around, database, "shifted_clock", SHIFT=str(tmp_path / "shift")) as service:
            clients = Clients(service, log)
            asking = asyncio.create_task(clients.run())
            await clients.reached(150)
            _set(tmp_path, -_HOUR)
            await service.kill()
            crash = await restart(service, database)
            await asking
            around.slack.always(None)
            await drained(service, database)
            findings = judged(around, log, database, [crash])
    say(f"{len(crash.in_flight)} in flight at the crash: {findings}")
    assert findings.violations == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_on_a_shared_database_the_server_s_clock_counts(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """A process whose clock is a year ahead goes by the database server's time like all others."""
    log = asks(20, rng)
    async with surroundings(tmp_path) as around:
        around.bearer = {"Authorization": f"Bearer {around.token(iat=ABSENT, exp=around.forger.now + 3 * _YEAR)}"}
        _set(tmp_path, _YEAR)
        async with serving(around, database, "shifted_clock", SHIFT=str(tmp_path / "shift")) as service:
            await Clients(service, log).run()
            await drained(service, database)
            findings = judged(around, log, database)
        instants = [row.at for row in database.read("SELECT at FROM events UNION ALL SELECT at FROM attempts")]
    say(f"{findings}, written down as of {max(instants) - time.time():+.1f} s from now at the latest")
    assert findings.violations == []
    assert all(abs(at - time.time()) < _HOUR for at in instants)


def _set(folder: Path, offset: int) -> None:
    fresh = folder / "shift.new"
    fresh.write_text(str(offset), encoding="ascii")
    fresh.replace(folder / "shift")
