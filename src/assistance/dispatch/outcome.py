"""From a channel's verdict on one try to what happens next: pure."""

from dataclasses import dataclass

from assistance.dispatch.retry import MAX_RETRY_AFTER, Jitter, delay
from assistance.model import Attempt, Delivery, Misconfigured, Outcome, Reason, State, TryLater, Undeliverable, Verdict
from assistance.store import DeliveryOutcome

_WORD_LIMIT = 100
_ANSWER_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Try:
    """One try: begun `at` (an instant), `seconds` long; delivered unless there is a verdict."""

    at: float
    seconds: float
    verdict: Verdict | None = None
    reference: str | None = None

    @property
    def ended(self) -> float:
        """The instant at which it was over."""
        return self.at + self.seconds


def settle(
    delivery: Delivery, made: Try, *, retry_for: float, probing: bool, jitter: Jitter, not_before: float = 0.0
) -> DeliveryOutcome:
    """What becomes of `delivery` after this try.

    Args:
        delivery: as it was leased.
        made: the try.
        retry_for: seconds for which a message of this channel is tried, time parked not counted.
        probing: whether this was the one message that tries a parked channel.
        jitter: see `retry.delay`.
        not_before: the instant before which the channel has no room for another retry.
    """
    verdict = made.verdict
    if verdict is None:
        return _settlement(delivery, made, State.DELIVERED, made.ended)
    if isinstance(verdict, Misconfigured) or (probing and isinstance(verdict, TryLater)):
        return _settlement(delivery, made, State.PARKED, made.ended)
    if isinstance(verdict, Undeliverable):
        if delivery.short:
            return _settlement(delivery, made, State.FAILED, made.ended)
        return _settlement(delivery, made, State.RETRYING, made.ended, short=True)
    deadline = delivery.owed_since + retry_for
    if made.ended >= deadline:
        return _settlement(delivery, made, State.FAILED, made.ended)
    # The last try falls on the deadline, unless the destination wants none before a later instant.
    due_at = min(max(made.ended + delay(delivery.attempts + 1, jitter), not_before), deadline)
    due_at = max(due_at, made.ended + min(verdict.after or 0, MAX_RETRY_AFTER))
    return _settlement(delivery, made, State.RETRYING, due_at)


def attempt_of(made: Try, outcome: Outcome) -> Attempt:
    """The try as it is kept; a channel that is not ours may have put anything into its verdict."""
    verdict = made.verdict
    if verdict is None:
        return Attempt(made.at, made.seconds, outcome)
    reason, code = _word(verdict.reason, _WORD_LIMIT), _word(verdict.code, _WORD_LIMIT)
    return Attempt(made.at, made.seconds, outcome, reason or Reason.OTHER, code, _word(verdict.answer, _ANSWER_LIMIT))


_OUTCOMES = {
    State.DELIVERED: Outcome.DELIVERED,
    State.PARKED: Outcome.PARKED,
    State.FAILED: Outcome.FAILED,
    State.RETRYING: Outcome.RETRY,
}


def _settlement(delivery: Delivery, made: Try, state: State, due_at: float, *, short: bool = False) -> DeliveryOutcome:
    attempt = attempt_of(made, _OUTCOMES[state])
    return DeliveryOutcome(delivery, state, attempt, due_at, made.reference, short=short or delivery.short)


def _word(value: object, limit: int) -> str | None:
    """What a database and a JSON document can carry: neither NUL nor half a surrogate pair, and not too long."""
    if value is None:
        return None
    return str(value)[:limit].replace("\x00", "").encode(errors="replace").decode() or None
