"""One delivery from lease to record, and what it teaches about its channel."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import structlog
from opentelemetry.trace import Tracer

from assistance.dispatch.lane import Lane
from assistance.dispatch.outcome import Try, settle
from assistance.dispatch.recording import Recorder
from assistance.dispatch.retry import MAX_RETRY_AFTER, Jitter
from assistance.dispatch.sending import send
from assistance.model import Attempt, Clock, Misconfigured, Priority, Reason, State, TryLater
from assistance.outgoing import Http
from assistance.store import DeliveryOutcome, Job, Recorded
from assistance.telemetry import Metrics

log = structlog.get_logger(__name__)

_UNSAID_RETRY_AFTER = 1.0
_LEVELS = {State.DELIVERED: "info", State.RETRYING: "warning"}


class Deliverer:
    """What lanes do with their works: the `Carrier` of each."""

    def __init__(
        self,
        recorder: Recorder,
        http: Http,
        clock: Clock,
        *,
        jitter: Jitter,
        metrics: Metrics,
        tracer: Tracer,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when something may have become due."""
        self._recorder = recorder
        self._http = http
        self._clock = clock
        self._jitter = jitter
        self._metrics = metrics
        self._tracer = tracer
        self._wake = wake

    async def send(self, lane: Lane, job: Job) -> Try:
        """See `Carrier.send`."""
        return await send(lane.channel, lane.name, job, self._http, self._clock, tracer=self._tracer)

    async def release(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """See `Carrier.release`."""
        await self._recorder.release(lane, jobs)

    async def record(self, lane: Lane, job: Job, made: Try, *, probing: bool) -> None:
        """See `Carrier.record`."""
        settlement = await self._judge(lane, job, made, probing=probing)
        recorded = await self._recorder.settle(settlement)
        if recorded in {Recorded.COUNTED, Recorded.NOTIFIED}:
            self._report(lane, job, settlement, first=recorded is Recorded.NOTIFIED)
        if settlement.short or settlement.state in {State.FAILED, State.PARKED}:
            self._wake()

    async def _judge(self, lane: Lane, job: Job, made: Try, *, probing: bool) -> DeliveryOutcome:
        """What becomes of the work, once the lane and the store know what the try says about the channel."""
        judge = partial(settle, job.delivery, retry_for=lane.channel.retry_for, probing=probing, jitter=self._jitter)
        try:
            settlement = judge(made, not_before=self._room_for_a_retry(lane, job, made))
            # The channel first: were the outcome there alone, the next process would send on at one that is parked.
            await self._learn(lane, made, settlement.attempt, probing=probing)
        except Exception as error:
            # Without an outcome its lease would end and it would be sent again, no try counted, without end.
            log.exception("verdict_not_understood", channel=lane.name, error=type(error).__name__)
            bug = None if made.verdict is None else TryLater(Reason.BUG, code=type(error).__name__)
            return judge(replace(made, verdict=bug))
        return settlement

    def _room_for_a_retry(self, lane: Lane, job: Job, made: Try) -> float:
        """The instant before which a retry would take too much from first tries that wait."""
        others = lane.more and job.request.priority is not Priority.URGENT
        if not others or not isinstance(made.verdict, TryLater):
            return 0.0
        pace = lane.channel.messages_per_second
        cost = max(made.seconds / lane.channel.concurrency, 1 / pace if pace else 0.0)
        return lane.budget.claim(made.ended, cost)

    async def _learn(self, lane: Lane, made: Try, attempt: Attempt, *, probing: bool) -> None:
        """What one try says about the whole channel; the lane knows before anything is awaited."""
        verdict = made.verdict
        if isinstance(verdict, Misconfigured):
            await self._recorder.park(lane, ": ".join(filter(None, (attempt.reason, attempt.code))))
        elif isinstance(verdict, TryLater) and (verdict.after is not None or verdict.reason == Reason.RATE_LIMITED):
            lane.freeze(self._clock.now() + min(verdict.after or _UNSAID_RETRY_AFTER, MAX_RETRY_AFTER))
            await self._recorder.freeze(lane)
        elif isinstance(verdict, TryLater):
            # A bug shows with one message or one sort of them; the far side need not be down.
            if verdict.reason != Reason.BUG:
                opens = lane.breaker.failed(self._clock.monotonic())
                lane.pump()
                if opens:
                    await self._recorder.note_failing(lane)
        else:
            closes = not lane.breaker.closed
            lane.took()
            if closes:
                await self._recorder.note_failing(lane)
            if probing:
                await self._recorder.unpark(lane)

    def _report(self, lane: Lane, job: Job, settlement: DeliveryOutcome, *, first: bool) -> None:
        attempt = settlement.attempt
        self._metrics.delivery(lane.name, attempt.outcome, attempt.reason, attempt.seconds)
        if first:
            self._metrics.notified(job.request.topic, attempt.at + attempt.seconds - job.request.created_at)
        getattr(log, _LEVELS.get(settlement.state, "error"))(
            f"delivery_{settlement.state}",
            channel=lane.name,
            request=job.request.id,
            n=job.delivery.n,
            seconds=round(attempt.seconds, 3),
            reason=attempt.reason,
            code=attempt.code,
            request_id=job.request.correlation_id,
        )
