"""The clock that the house plans by: it follows the machine's and never jumps."""

import time

import pytest
from tests.fakes.clock import ManualClock

from assistance.model import SteadyClock, SystemClock

HOUR, YEAR = 3600.0, 365 * 86_400.0


@pytest.mark.parametrize("jump", [HOUR, -HOUR, YEAR, -YEAR])
def test_a_clock_that_is_set_changes_nothing_at_once(jump: float):
    """What was ten seconds away stays about ten seconds away, and time never goes back."""
    machine = ManualClock()
    clock = SteadyClock(machine)
    before = clock.now()
    machine.jump(jump)
    assert clock.now() == before
    seen = []
    for _ in range(10):
        machine.advance(1)
        seen.append(clock.now())
    assert seen == sorted(seen)
    assert seen[-1] - before == pytest.approx(10, abs=1.01)


@pytest.mark.parametrize("jump", [60.0, -60.0])
def test_it_comes_to_agree_again(jump: float):
    """A minute is made good within ten minutes, however seldom the time is asked for; then both agree."""
    machine = ManualClock()
    clock = SteadyClock(machine)
    machine.jump(jump)
    assert clock.ahead == pytest.approx(-jump)
    for _ in range(4):
        machine.advance(151)
        clock.now()
    assert clock.ahead == 0
    assert clock.now() == machine.now()


def test_it_follows_a_clock_that_is_shared():
    """At once before anything was planned; later by and by."""
    machine = ManualClock()
    clock = SteadyClock(machine)
    clock.follow(HOUR, at_once=True)
    assert clock.now() == machine.now() + HOUR
    clock.follow(HOUR + 1)
    machine.advance(5)
    assert clock.now() == machine.now() + HOUR + 0.5
    machine.advance(5)
    assert clock.ahead == 0


def test_the_machine_s_clocks_are_the_system_s():
    """The time of day is that of everybody, and time itself goes on."""
    clock = SystemClock()
    assert clock.now() == pytest.approx(time.time(), abs=60)
    first = clock.monotonic()
    assert clock.monotonic() >= first
