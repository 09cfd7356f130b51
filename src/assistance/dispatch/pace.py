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
