"""Time as the rest of the house sees it: seconds since the Unix epoch, handed in, never read from a global."""

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """What tells the time and waits; tests bring one of their own that they move by hand."""

    def now(self) -> float:
        """Seconds since the Unix epoch, for what is stored and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back, for leases and time-outs."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        ...


# Counts the time that the machine slept, where that can be had: a laptop that wakes has not had its clock set.
_TICKING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_SLEW = 0.1
"""How much faster or slower than time itself the house's clock runs until it agrees with the machine's."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.clock_gettime(_TICKING)

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


class SteadyClock:
    """The time of day without its jumps: what the house plans by, and stores.

    When somebody sets the machine's clock this one runs a tenth faster or slower until both agree again. So what is due
    in ten seconds stays due in ten seconds, give or take one, and no deadline of three days is over in one stroke.
    `machine` is what it follows: to be asked where the time is compared with other people's, as a token's expiry is.
    """

    def __init__(self, machine: Clock) -> None:
        """Agree with `machine`."""
        self.machine = machine
        self._offset = 0.0
        self._last = machine.now(), machine.monotonic()

    def now(self) -> float:
        """See `Clock.now`; it never goes back."""
        # One assignment: readers' threads ask too, and at worst two of them correct the same bit.
        then, ticked = self._last
        tick = self.machine.monotonic()
        passed = max(0.0, tick - ticked)
        now = then + passed
        behind = self.machine.now() + self._offset - now
        most = _SLEW * passed
        now += most if behind > most else max(behind, -most)
        self._last = now, tick
        return now

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self.machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await self.machine.sleep(seconds)

    @property
    def ahead(self) -> float:
        """The seconds by which it has still to fall back to what it follows, negative when it has to catch up."""
        return self.now() - self.machine.now() - self._offset

    def follow(self, offset: float, *, at_once: bool = False) -> None:
        """Follow a clock that is `offset` seconds ahead of the machine's: that which several machines share.

        `at_once`: jump to it, before anything has been planned.
        """
        self._offset = offset
        if at_once:
            self._last = self.machine.now() + offset, self.machine.monotonic()


def rfc3339(instant: float) -> str:
    """The instant in RFC 3339 form, UTC, to the millisecond: `2026-11-23T10:00:00.000Z`."""
    seconds, microseconds = divmod(round(instant * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{microseconds // 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """What all instants of one second have in common: each call tells several, and they are mostly of this second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def rfc3339_or_none(instant: float | None) -> str | None:
    """`rfc3339`, or None for None."""
    return None if instant is None else rfc3339(instant)
