"""How fast one channel may be sent to, by a token bucket that holds one second's worth, and how fast it is."""


class Pace:
    """Tells when the next message may go. Instants are monotonic seconds.

    So in any span of `s` seconds at most one bucket and `s` times the pace go out.
    """

    def __init__(self, per_second: float | None, now: float) -> None:
        """`per_second` messages, None for no limit; the bucket is full at `now`."""
        self.per_second = per_second
        self._tokens = self._size
        self._filled_at = now

    @property
    def _size(self) -> float:
        return max(1.0, self.per_second or 1.0)

    def change(self, per_second: float | None, now: float) -> None:
        """Take over a reloaded setting; what was saved up under the old one is kept up to the new size."""
        self._fill(now)
        self.per_second = per_second
        self._tokens = min(self._tokens, self._size)

    def wait(self, now: float) -> float:
        """Seconds until the next message may go, 0 for at once."""
        if self.per_second is None:
            return 0.0
        self._fill(now)
        # A hair under one counts as one: sleeping for exactly the rest must not end a rounding error too early.
        return 0.0 if self._tokens > 1 - 1e-9 else (1 - self._tokens) / self.per_second

    def spend(self) -> None:
        """One message goes."""
        if self.per_second is not None:
            self._tokens -= 1

    def _fill(self, now: float) -> None:
        gained = (now - self._filled_at) * (self.per_second or 0.0)
        self._tokens = min(self._size, self._tokens + gained)
        self._filled_at = now


_SPAN = 0.5


class Flow:
    """Counts what a channel has taken lately. Instants are monotonic seconds."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._since = 0.0
        self._now = self._before = 0

    def took(self, now: float) -> None:
        """It took one message, or refused it."""
        self._turn(now)
        self._now += 1

    def lately(self, now: float) -> int:
        """How many in the last half second, about."""
        self._turn(now)
        return max(self._now, self._before)

    def _turn(self, now: float) -> None:
        passed = now - self._since
        if passed >= _SPAN:
            self._before = self._now if passed < 2 * _SPAN else 0
            self._now, self._since = 0, now
