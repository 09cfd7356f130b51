"""The auditor: looks for what should never be so, whatever the rest of the house believes of itself."""

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
"""Seconds for which an open channel may stand still with something due: longer than any send and any breaker's rest."""
_GRACE = 60.0
"""Seconds by which leases and expiries may be late: dispatchers look every 10 s, and one of them may be dead."""
_CLOCKS_APART = 5.0
_JUMPS_REMEMBERED = 10
"""Audits for which a jump of the clock stays a finding, so that nobody who looks now and then misses it."""
_WRITE_SECONDS = 10.0
_QUIET = {"undelivered": 0, "lease": 0, "expiry": 0, "clock": 0, "store": 0}

Queue = tuple[tuple[Any, ...], float]


class Auditor:
    """Audits the store as a whole, in every process: a dead dispatcher is found by the processes that are alive.

    Args:
        store: what is audited.
        clock: the house's; the machine's and the store's are compared with it.
        pace: the messages a second of a channel, None for as many as come.
    """

    def __init__(self, store: Store, clock: SteadyClock, *, pace: Callable[[str], float | None]) -> None:
        """See the class."""
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
        """How much the last audit found wrong, by kind; every kind is there."""
        return self._findings

    @property
    def well(self) -> bool:
        """Whether there was an audit just now and it found nothing."""
        recent = self._ended is not None and self._clock.monotonic() - self._ended < 2 * AUDIT_EVERY
        return recent and not any(self._findings.values())

    async def run(self) -> None:
        """Audit until cancelled."""
        while True:
            try:
                await self.audit()
            except Exception:
                # Whatever it was: who watches the work must not end it. That audits stay away is an alert of its own.
                log.exception("audit_failed")
            await self._clock.sleep(AUDIT_EVERY)

    async def audit(self) -> None:
        """Audit once; what is found is told as an error."""
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
        """The channels on which nothing has changed for too long."""
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
        """Whether the machine's time of day went on otherwise than time itself does."""
        self._offsets.append(self._clock.machine.now() - self._clock.monotonic())
        return max(self._offsets) - min(self._offsets) > _CLOCKS_APART

    def _apart(self) -> bool:
        """Whether the house has still not come to agree with what its clock follows."""
        return abs(self._clock.ahead) > _CLOCKS_APART
