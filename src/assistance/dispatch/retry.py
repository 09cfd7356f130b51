"""When a message is tried again: a person waits, so soon at first, then patiently."""

from collections.abc import Callable

Jitter = Callable[[float, float], float]
"""Picks a number between two: `random.uniform`, or a test's own."""

SCHEDULE = (0.0, 2.0, 10.0, 30.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds before the first, second, … try; after the last of them hourly."""

MAX_RETRY_AFTER = 3600.0
"""A destination that asks for more than an hour is asked again after an hour."""

_SHARE = 0.2
"""The part of what a channel can take that its retries may use up while first tries wait."""


def delay(tries: int, jitter: Jitter) -> float:
    """Seconds until the next try after `tries` failed ones, with full jitter.

    Full jitter spreads the messages that failed together, see
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    return jitter(0.0, SCHEDULE[min(tries, len(SCHEDULE) - 1)])


class RetryBudget:
    """Spaces the retries of one channel while first tries wait, so that these are not starved. Instants, seconds."""

    def __init__(self) -> None:
        """Nothing is used up."""
        self._free_at = 0.0

    def claim(self, now: float, cost: float) -> float:
        """The instant before which a retry must not be due that takes `cost` seconds of all that the channel can."""
        place = max(self._free_at, now)
        self._free_at = place + cost / _SHARE
        return place
