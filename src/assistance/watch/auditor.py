"""The auditor: checks the store for what must never be, without relying on the rooms that should prevent it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from assistance.model import SteadyClock
from assistance.store import Evidence, Store, StoreUnavailableError

log = structlog.get_logger(__name__)

AUDIT_EVERY = 30.0
PATIENCE = 120.0
"""Seconds without a delivery on an open channel with something due: longer than any send and any breaker's pause."""
_GRACE = 60.0
"""Seconds by which leases and expiries may be late: dispatchers check every 10 s, and one of them may be dead."""
_CLOCKS_APART = 5.0
"""Seconds of difference between two clocks that are a finding."""
_JUMPS_REMEMBERED = 10
"""Audits for which a jump of the clock stays a finding, so that a scrape once a minute does not miss it."""
_WRITE_SECONDS = 10.0
_QUIET = {"undelivered": 0, "lease": 0, "expiry": 0, "clock": 0, "store": 0}

Queue = tuple[tuple[Any, ...], float]
"""What a channel's queue was like at the last audit, and since when it has been."""


class Auditor:
    """Audits the whole store, in every process: those that are alive find a dispatcher that is dead.

    Args:
        store: what is audited.
        clock: that of the process; the machine's and the store's are compared with it.
        pace: the messages a second of a channel, None for no limit.
    """

    def __init__(self, store: Store, clock: SteadyClock, *, pace: Callable[[str], float | None]) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace
        self._queues: dict[str, Queue] = {}
        self._offsets: deque[float] = deque(maxlen=_JUMPS_REMEMBERED)
        self._ended: float | None = None
        self._findings = dict(_QUIET)
        self.ended_at: float | None = None

    @property
    def findings(self) -> Mapping[str, int]:
        """How many findings the last audit has, by kind; every kind is there."""
        return self._findings

    @property
    def well(self) -> bool:
        """Whether the last audit is recent and found nothing."""
        recent = self._ended is not None and self._clock.monotonic() - self._ended < 2 * AUDIT_EVERY
        return recent and not any(self._findings.values())

    async def run(self) -> None:
        """Audit until cancelled."""
        while True:
            try:
                await self.audit()
            except Exception:
                # A bug: the process goes on without its audits, and their absence is an alert of its own.
                log.exception("audit_failed")
            await self._clock.sleep(AUDIT_EVERY)

    async def audit(self) -> None:
        """Audit once; each kind of finding is logged as an error."""
        found = {**_QUIET, "clock": int(self._jumped() or self._apart())}
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._store.check_writable(self._clock.now())
                evidence = await self._store.evidence(self._clock.now, _GRACE)
        except (StoreUnavailableError, TimeoutError):
            found["store"] = 1
        else:
            found |= {"lease": evidence.late_leases, "expiry": evidence.late_expiries}
            found["clock"] += abs(evidence.clock_ahead) > _CLOCKS_APART
            found["undelivered"] = len(self._standing_still(evidence))
        self._findings = found
        self._ended, self.ended_at = self._clock.monotonic(), self._clock.machine.now()
        for kind, count in found.items():
            if count:
                log.error("audit_finding", kind=kind, count=count)

    def _standing_still(self, evidence: Evidence) -> list[str]:
        """The channels whose queue has not changed for too long."""
        now, known = self._clock.monotonic(), self._queues
        self._queues = {}
        for channel, queue in evidence.queues.items():
            before = known.get(channel)
            self._queues[channel] = before if before is not None and before[0] == queue else (queue, now)
        still = [channel for channel, (_, since) in self._queues.items() if now - since >= self._patience(channel)]
        for channel in still:
            log.error("nothing_delivered", channel=channel, seconds=round(now - self._queues[channel][1]))
        return still

    def _patience(self, channel: str) -> float:
        pace = self._pace(channel)
        return PATIENCE if pace is None else max(PATIENCE, 2 / pace)

    def _jumped(self) -> bool:
        """Whether the machine's time of day was set lately: its distance to the monotonic clock has changed."""
        self._offsets.append(self._clock.machine.now() - self._clock.monotonic())
        return max(self._offsets) - min(self._offsets) > _CLOCKS_APART

    def _apart(self) -> bool:
        """Whether the clock of the process is still far from the one that it follows."""
        return abs(self._clock.ahead) > _CLOCKS_APART
