"""One token bucket for every rate in the house: callers, channels, retries."""

from dataclasses import dataclass

_ROUNDING = 1e-9
"""Seconds, or parts of a token, that adding up fractions may lose."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket that holds one second's worth, and one token at least.

    What is remembered of it is one instant, `arrival`: when it will be full again (the theoretical arrival time of the
    generic cell rate algorithm, https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). So a bucket
    is stored as that number, in a dictionary or in a row of the store; 0.0 is a full one.

    Args:
        rate: tokens per second.
    """

    rate: float

    @property
    def size(self) -> float:
        """How many tokens it holds when it is full."""
        return max(1.0, self.rate)

    def tokens(self, arrival: float, now: float) -> float:
        """How many tokens are there at `now`."""
        return self.size - max(0.0, arrival - now) * self.rate

    def wait(self, arrival: float, now: float) -> float:
        """Seconds until there is a token, 0 when there is one."""
        seconds = arrival - now - (self.size - 1) / self.rate
        # Rounding: sleeping for exactly the rest must not end a hair too early, again and again.
        return seconds if seconds > _ROUNDING * max(1.0, 1 / self.rate) else 0.0

    def spend(self, arrival: float, now: float, tokens: float = 1.0) -> float:
        """The new `arrival` after so many tokens were taken at `now`, whether or not they were there."""
        return max(arrival, now) + tokens / self.rate
