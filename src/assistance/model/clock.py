"""Time as all rooms read it: seconds since the Unix epoch, from a clock that is handed in."""

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Gives the time and waits; tests have one that they advance by hand."""

    def now(self) -> float:
        """Seconds since the Unix epoch: for what is stored and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back: for leases and time-outs."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        ...


# Where the system has it, a clock that counts on while the machine sleeps: waking is not a clock that was set.
_TICKING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_SLEW = 0.1
"""The part by which the steady clock runs faster or slower until it agrees with the machine's."""


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
    """The time of day without jumps: for all that is planned and stored.

    When the machine's clock is set, this one runs a tenth faster or slower until both agree again. So what is due in
    ten seconds is due in nine to eleven, and no deadline of three days passes at once. `machine` is the clock that it
    follows: for comparing with the clocks of others, as a token's expiry is.
    """

    def __init__(self, machine: Clock) -> None:
        """Agree with `machine`."""
        self.machine = machine
        self._offset = 0.0
        self._last = machine.now(), machine.monotonic()

    def now(self) -> float:
        """See `Clock.now`; it never goes back."""
        # Race: threads call this too. One assignment at the end: at worst two of them apply the same correction.
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
        """Seconds by which it is ahead of the clock that it follows, negative when it is behind."""
        return self.now() - self.machine.now() - self._offset

    def follow(self, offset: float, *, at_once: bool = False) -> None:
        """Follow a clock that is `offset` seconds ahead of the machine's: the one that several machines share.

        `at_once`: jump to it; only at the start, before anything is planned.
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
    """Cached, as most instants are of this second: 0.7 instead of 2.5 us a call, with five calls an accept."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def rfc3339_or_none(instant: float | None) -> str | None:
    """`rfc3339`, or None for None."""
    return None if instant is None else rfc3339(instant)
