"""From a channel's verdict on one try to what happens next: pure."""

from dataclasses import dataclass

from assistance.dispatch.retry import MAX_RETRY_AFTER, Jitter, delay
from assistance.model import Attempt, Delivery, Misconfigured, Outcome, Reason, State, TryLater, Undeliverable, Verdict
from assistance.store import Settlement

_ANSWER_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Try:
    """One try: begun `at` (an instant), `seconds` long; delivered unless there is a verdict."""

    at: float
    seconds: float
    verdict: Verdict | None = None
    reference: str | None = None


def settle(delivery: Delivery, made: Try, *, retry_for: float, probing: bool, jitter: Jitter) -> Settlement:
    """What becomes of `delivery` after this try.

    Args:
        delivery: as it was leased.
        made: the try.
        retry_for: seconds for which a message of this channel is tried, time parked not counted.
        probing: whether this was the one message that tries a parked channel.
        jitter: see `retry.delay`.
    """
    verdict, ended = made.verdict, made.at + made.seconds
    if verdict is None:
        attempt = Attempt(made.at, made.seconds, Outcome.DELIVERED)
        return Settlement(delivery, State.DELIVERED, attempt, ended, made.reference, short=delivery.short)
    if isinstance(verdict, Misconfigured) or (probing and isinstance(verdict, TryLater)):
        return _settlement(delivery, made, State.PARKED, ended)
    if isinstance(verdict, Undeliverable):
        if delivery.short:
            return _settlement(delivery, made, State.FAILED, ended)
        return _settlement(delivery, made, State.RETRYING, ended, short=True)
    deadline = delivery.owed_since + retry_for
    if ended >= deadline:
        return _settlement(delivery, made, State.FAILED, ended)
    # The last try falls on the deadline, unless the destination wants none before a later instant.
    due_at = min(ended + delay(delivery.attempts + 1, jitter), deadline)
    due_at = max(due_at, ended + min(verdict.after or 0, MAX_RETRY_AFTER))
    return _settlement(delivery, made, State.RETRYING, due_at)


_OUTCOMES = {State.PARKED: Outcome.PARKED, State.FAILED: Outcome.FAILED, State.RETRYING: Outcome.RETRY}


def _settlement(delivery: Delivery, made: Try, state: State, due_at: float, *, short: bool = False) -> Settlement:
    verdict = made.verdict or TryLater(Reason.OTHER)
    attempt = Attempt(
        made.at,
        made.seconds,
        _OUTCOMES[state],
        verdict.reason,
        verdict.code,
        (verdict.answer or "")[:_ANSWER_LIMIT] or None,
    )
    return Settlement(delivery, state, attempt, due_at, short=short or delivery.short)
