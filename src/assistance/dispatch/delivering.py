"""One delivery from lease to record, and what it teaches about its channel."""

import asyncio
from collections.abc import Callable

import structlog
from opentelemetry.trace import Tracer

from assistance.dispatch.lane import Lane
from assistance.dispatch.outcome import Try, settle
from assistance.dispatch.retry import MAX_RETRY_AFTER, Jitter
from assistance.dispatch.sending import send
from assistance.model import Clock, Delivery, Misconfigured, Reason, State, TryLater, Undeliverable
from assistance.outgoing import Http
from assistance.store import (
    Freeze,
    Park,
    Settlement,
    Store,
    StoreBrokenError,
    StoreUnavailableError,
    Unpark,
    Work,
)
from assistance.telemetry import Metrics

log = structlog.get_logger(__name__)

PROBE_EVERY = 60.0
"""Seconds between two tries of one message on a parked channel."""

_PAUSES = 0.05, 1.0
_UNSAID_RETRY_AFTER = 1.0
_LEVELS = {State.DELIVERED: "info", State.RETRYING: "warning"}


class Deliverer:
    """Sends what the lanes are given and writes down what became of it."""

    def __init__(
        self,
        store: Store,
        http: Http,
        clock: Clock,
        *,
        jitter: Jitter,
        metrics: Metrics,
        tracer: Tracer,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when something may have become due."""
        self._store = store
        self._http = http
        self._clock = clock
        self._jitter = jitter
        self._metrics = metrics
        self._tracer = tracer
        self._wake = wake

    async def deliver(self, lane: Lane, work: Work) -> None:
        """One try of `work`, recorded."""
        probing = lane.parked is not None
        try:
            made = await send(lane.channel, lane.name, work, self._http, self._clock, tracer=self._tracer)
        except asyncio.CancelledError:
            # Shutting down is not a failed try.
            await asyncio.shield(self.release(lane, work))
            raise
        settlement = settle(work.delivery, made, retry_for=lane.channel.retry_for, probing=probing, jitter=self._jitter)
        await self._learn(lane, made, probing=probing)
        await asyncio.shield(self._write_down(settlement))
        self._report(lane, work, settlement)
        if settlement.short or settlement.state in {State.FAILED, State.PARKED}:
            self._wake()

    async def release(self, _lane: Lane, work: Work) -> None:
        """Give `work` back to the store; no try is counted."""
        await self._write_down(work.delivery)

    async def park(self, lane: Lane, reason: str) -> None:
        """Stop the lane until it is mended; the failover of what waits on it starts."""
        if lane.parked is None:
            log.error("channel_parked", channel=lane.name, reason=reason)
        now = self._clock.now()
        lane.parked, lane.probe_at = reason, now + PROBE_EVERY
        await self._remember(Park(lane.name, reason, now, lane.probe_at))

    async def unpark(self, lane: Lane) -> None:
        """Let the lane go on."""
        lane.parked, lane.backlog = None, True
        resumed = await self._remember(Unpark(lane.name, self._clock.now()))
        log.info("channel_mended", channel=lane.name, due_again=resumed)
        self._wake()

    async def _write_down(self, what: Settlement | Delivery) -> None:
        """Store it however long that takes: what was sent and is not recorded is sent again."""
        pause, longest = _PAUSES
        while True:
            try:
                if isinstance(what, Delivery):
                    await self._store.release(what)
                elif not await self._store.settle(what):
                    log.warning("late_outcome_ignored", delivery=what.delivery.key)
            except StoreBrokenError:
                return
            except StoreUnavailableError:
                await self._clock.sleep(pause)
                pause = min(pause * 2, longest)
            else:
                return

    async def _learn(self, lane: Lane, made: Try, *, probing: bool) -> None:
        """What one try says about the whole channel."""
        verdict = made.verdict
        if isinstance(verdict, Misconfigured):
            await self.park(lane, verdict.reason if verdict.code is None else f"{verdict.reason}: {verdict.code}")
        elif isinstance(verdict, TryLater) and (verdict.after is not None or verdict.reason == Reason.RATE_LIMITED):
            lane.freeze(self._clock.now() + min(verdict.after or _UNSAID_RETRY_AFTER, MAX_RETRY_AFTER))
            await self._remember(Freeze(lane.name, lane.frozen_until))
        elif isinstance(verdict, TryLater):
            lane.breaker.failed(self._clock.monotonic())
        else:
            lane.breaker.succeeded()
        if probing and (verdict is None or isinstance(verdict, Undeliverable)):
            await self.unpark(lane)

    async def _remember(self, what: Freeze | Park | Unpark) -> int | None:
        try:
            if isinstance(what, Freeze):
                await self._store.freeze(what)
                return None
            if isinstance(what, Park):
                return await self._store.park(what)
            return await self._store.unpark(what)
        except StoreUnavailableError:
            # The lane knows; the sweep writes it down when the store is back.
            log.warning("lane_not_recorded", channel=what.channel)
            return None

    def _report(self, lane: Lane, work: Work, settlement: Settlement) -> None:
        attempt = settlement.attempt
        self._metrics.delivery(lane.name, attempt.outcome, attempt.reason, attempt.seconds)
        if settlement.state is State.DELIVERED and work.delivery.person and work.request.notified_at is None:
            self._metrics.notified(work.request.topic, attempt.at + attempt.seconds - work.request.created_at)
        getattr(log, _LEVELS.get(settlement.state, "error"))(
            f"delivery_{settlement.state}",
            channel=lane.name,
            request=work.request.id,
            n=work.delivery.n,
            seconds=round(attempt.seconds, 3),
            reason=attempt.reason,
            code=attempt.code,
            request_id=work.request.correlation_id,
        )
