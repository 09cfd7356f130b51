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


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


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
