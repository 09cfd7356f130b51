"""When a message is tried again: a person waits, so soon at first, then patiently."""

from collections.abc import Callable

Jitter = Callable[[float, float], float]
"""Picks a number between two: `random.uniform`, or a test's own."""

SCHEDULE = (0.0, 2.0, 10.0, 30.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds before the first, second, … try; after the last of them hourly."""

MAX_RETRY_AFTER = 3600.0
"""A destination that asks for more than an hour is asked again after an hour."""


def delay(tries: int, jitter: Jitter) -> float:
    """Seconds until the next try after `tries` failed ones, with full jitter.

    Full jitter spreads the messages that failed together, see
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    return jitter(0.0, SCHEDULE[min(tries, len(SCHEDULE) - 1)])
