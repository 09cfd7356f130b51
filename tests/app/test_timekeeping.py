"""A process goes on by the time that the one before it went by."""

from pathlib import Path

import pytest
from tests.fakes.clock import ManualClock
from tests.store.asks import deliveries, new, notice, request

from assistance.app.timekeeping import TimeKeeping
from assistance.model import SteadyClock
from assistance.store import open_store

DAY = 86_400.0


@pytest.mark.parametrize("jump", [DAY, -DAY])
@pytest.mark.parametrize("seen", [True, False], ids=["while it ran", "while it was down"])
async def test_what_waits_is_due_when_it_was_to_be_also_after_a_restart(tmp_path: Path, jump: float, *, seen: bool):
    """A clock set back is noticed; one set forward is too where the process before saw it, else time has passed."""
    machine = ManualClock()
    store = open_store(f"sqlite:///{tmp_path}/a.db")
    clock = SteadyClock(machine)
    asked = request(clock.now())
    await store.accept(new(notice(asked, 1, due_at=clock.now() + 100), of=asked))
    time = TimeKeeping(store, clock)
    await time.begin()
    await time.keep()
    machine.jump(jump)
    if seen:
        await time.keep()
    clock = SteadyClock(machine)
    await TimeKeeping(store, clock).begin()
    [delivery] = await deliveries(store, asked.id)
    store.close()
    assert delivery.due_at - clock.now() == pytest.approx(100 if seen or jump < 0 else 100 - DAY)
