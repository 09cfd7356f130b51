"""What a try says of its message and of its channel, written to the store however long that takes.

Lost otherwise: what was sent and is not recorded is sent again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar, assert_never

import structlog

from assistance.dispatch.health import LaneHealth
from assistance.dispatch.outcome import MAX_RETRY_AFTER, Failure
from assistance.model import Clock, Misconfigured, Reason, State, TryLater, Undeliverable
from assistance.store import (
    DeliveryOutcome,
    Failing,
    Freeze,
    Job,
    Park,
    Recorded,
    Store,
    StoreBrokenError,
    StoreUnavailableError,
    Unpark,
)
from assistance.telemetry import Metrics

log = structlog.get_logger(__name__)
T = TypeVar("T")

_PAUSES = 0.05, 1.0
"""Seconds between the first two tries to write, and at most."""

_TRY = 20.0
"""Seconds within which a try has come to its end, and its outcome is written."""

_UNSAID_RETRY_AFTER = 1.0
"""Seconds for which a provider gets no message that says 429 without `Retry-After`."""

_LEVELS = {State.DELIVERED: logging.INFO, State.RETRYING: logging.WARNING}


class Recorder:
    """Writes to the store; returns when it is committed, or when it never can be.

    `wake` is called when something may have become due.
    """

    def __init__(self, store: Store, clock: Clock, *, metrics: Metrics, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._wake = wake

    async def record(self, health: LaneHealth, job: Job, outcome: DeliveryOutcome) -> None:
        """Record what became of a try, then count and log it, unless its lease was lost."""
        recorded = await self._insist(partial(self._store.record_outcome, outcome))
        if recorded is Recorded.LATE:
            log.warning("late_outcome_ignored", delivery=outcome.delivery.key)
        elif recorded is not None:
            self._report(health.channel, job, outcome, first=recorded is Recorded.NOTIFIED)
        if outcome.short or outcome.state in {State.FAILED, State.PARKED}:
            self._wake()

    def _report(self, channel: str, job: Job, outcome: DeliveryOutcome, *, first: bool) -> None:
        attempt = outcome.attempt
        self._metrics.delivery(channel, attempt.outcome, attempt.reason, attempt.seconds)
        if first:
            self._metrics.notified(job.request.topic, attempt.at + attempt.seconds - job.request.created_at)
        level, event = _LEVELS.get(outcome.state, logging.ERROR), f"delivery_{outcome.state}"
        log.log(
            level,
            event,
            channel=channel,
            request=job.request.id,
            n=job.delivery.n,
            seconds=round(attempt.seconds, 3),
            reason=attempt.reason,
            code=attempt.code,
            request_id=job.request.correlation_id,
        )

    async def learn(self, health: LaneHealth, verdict: Failure | None, *, probing: bool) -> None:
        """What one try says of the whole channel. The lane knows at once, the store when this returns."""
        match verdict:
            case None | Undeliverable():
                if health.succeeded():
                    await self._note_failing(health)
                if probing:
                    await self.unpark(health)
            case Misconfigured(reason=reason, code=code):
                await self._park(health, ": ".join(filter(None, (reason, code))))
            case TryLater(after=after, reason=reason) if after is not None or reason == Reason.RATE_LIMITED:
                health.freeze(self._clock.now() + min(after or _UNSAID_RETRY_AFTER, MAX_RETRY_AFTER))
                await self._insist(partial(self._store.freeze, Freeze(health.channel, health.frozen_until)))
            case TryLater(reason=Reason.BUG):
                # It shows with one message, or with one sort of them: the provider need not be down.
                pass
            case TryLater():
                if health.failed():
                    await self._note_failing(health)
            case _:
                assert_never(verdict)

    async def _note_failing(self, health: LaneHealth) -> None:
        """Let all processes show whether the channel answers this one."""
        again = None if health.breaker.closed else health.breaker.wait(self._clock.monotonic()) + _TRY
        until = None if again is None else self._clock.now() + again
        await self._insist(partial(self._store.note_failing, Failing(health.channel, until)))

    async def _park(self, health: LaneHealth, reason: str) -> None:
        if health.parked is None:
            log.error("channel_parked", channel=health.channel, reason=reason)
        with health.writing():
            health.park(reason)
            await self.park_due(health.channel, reason)

    async def park_due(self, channel: str, reason: str) -> None:
        """Park what is due on the channel, and so start its failover."""
        park = Park(channel, reason, self._clock.now())
        if parked := await self._insist(partial(self._store.park, park)):
            log.error("deliveries_parked", channel=channel, reason=reason, parked=parked)
            self._wake()

    async def unpark(self, health: LaneHealth) -> None:
        """The channel is mended: what is parked on it is due again."""
        with health.writing():
            resumed = await self._insist(partial(self._store.unpark, Unpark(health.channel, self._clock.now())))
            health.unpark()
        log.info("channel_mended", channel=health.channel, due_again=resumed)
        self._wake()

    async def release(self, health: LaneHealth, jobs: Iterable[Job]) -> None:
        """Give leases back without counting a try; where the channel is out of order what is due on it is parked."""
        await asyncio.gather(*(self._insist(partial(self._store.release, job.delivery)) for job in jobs))
        if (reason := health.parked_for) is not None:
            await self.park_due(health.channel, reason)

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T | None:
        pause, longest = _PAUSES
        while True:
            try:
                return await write()
            except StoreBrokenError:
                # This process must end, and the next one goes on from what is stored.
                return None
            except StoreUnavailableError:
                pass
            except Exception:
                log.exception("not_recorded")
            await self._clock.sleep(pause)
            pause = min(pause * 2, longest)
