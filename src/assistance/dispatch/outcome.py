"""From a channel's verdict on one try to what happens next: pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from assistance.model import Attempt, Delivery, Misconfigured, Outcome, State, TryLater, Undeliverable
from assistance.store import DeliveryOutcome

Failure = TryLater | Misconfigured | Undeliverable
"""What a channel may raise."""

Jitter = Callable[[float, float], float]
"""Picks a number between two: `random.uniform`, or a test's own."""

SCHEDULE = (0.0, 2.0, 10.0, 30.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds before the first, second, … try, after the last of them hourly: soon at first, since a person waits."""

MAX_RETRY_AFTER = 3600.0
"""Seconds: where `Retry-After` is longer, the next try is after an hour all the same."""

_OUTCOMES = {
    State.DELIVERED: Outcome.DELIVERED,
    State.PARKED: Outcome.PARKED,
    State.FAILED: Outcome.FAILED,
    State.RETRYING: Outcome.RETRY,
}


@dataclass(frozen=True, slots=True)
class Try:
    """One try: begun `at` (an instant), `seconds` long; delivered unless there is a verdict."""

    at: float
    seconds: float
    verdict: Failure | None = None
    reference: str | None = None

    @property
    def ended(self) -> float:
        """The instant at which it was over."""
        return self.at + self.seconds

    def attempt(self, outcome: Outcome) -> Attempt:
        """The try as the store keeps it and operators see it."""
        if self.verdict is None:
            return Attempt(self.at, self.seconds, outcome)
        return Attempt(self.at, self.seconds, outcome, self.verdict.reason, self.verdict.code, self.verdict.answer)


def outcome_of(
    delivery: Delivery, made: Try, *, retry_for: float, probing: bool, jitter: Jitter, not_before: float
) -> DeliveryOutcome:
    """What becomes of `delivery`, as it was leased, after this try.

    Args:
        delivery: as it was leased.
        made: the try.
        retry_for: seconds for which a message of this channel is tried, time parked not counted.
        probing: whether this was the one message that tries a parked channel.
        jitter: spreads the retries of messages that failed together.
        not_before: the instant before which the channel has no room for another retry.
    """

    def become(state: State, due_at: float = made.ended, *, short: bool = False) -> DeliveryOutcome:
        attempt = made.attempt(_OUTCOMES[state])
        return DeliveryOutcome(delivery, state, attempt, due_at, made.reference, short=short or delivery.short)

    match made.verdict:
        case None:
            return become(State.DELIVERED)
        case Misconfigured():
            return become(State.PARKED)
        case Undeliverable():
            return become(State.FAILED) if delivery.short else become(State.RETRYING, short=True)
        case TryLater(after=after):
            deadline = delivery.owed_since + retry_for
            if probing:
                return become(State.PARKED)
            if made.ended >= deadline:
                return become(State.FAILED)
            # The last try falls on the deadline, unless the provider wants none before a later instant.
            due_at = min(max(made.ended + _delay(delivery.attempts + 1, jitter), not_before), deadline)
            return become(State.RETRYING, max(due_at, made.ended + min(after or 0, MAX_RETRY_AFTER)))
        case _:
            assert_never(made.verdict)


def _delay(tries: int, jitter: Jitter) -> float:
    """Seconds until the next try after `tries` failed ones, with full jitter.

    See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    return jitter(0.0, SCHEDULE[min(tries, len(SCHEDULE) - 1)])
