"""A breaker per channel: while the far side is down, waiting messages burn no tries and the far side gets rest."""

from collections import deque

_IN_A_ROW = 5
_WINDOW = 20
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


class Breaker:
    """Opens after 5 failures in a row or more than half of 20; half open, one message tries. Monotonic seconds.

    How many go while it is half open is for its lane to see to: `closed` says when it is not.
    """

    def __init__(self) -> None:
        """Closed: everything may go."""
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._pause = _FIRST_PAUSE
        self.open_until: float | None = None

    @property
    def closed(self) -> bool:
        """Whether everything may go."""
        return self.open_until is None

    def wait(self, now: float) -> float:
        """Seconds until a message may go, 0 for at once."""
        return 0.0 if self.open_until is None else max(0.0, self.open_until - now)

    def succeeded(self) -> None:
        """The far side answered: close."""
        self._row = 0
        self._recent.append(True)
        if self.open_until is not None:
            self._recent.clear()
        self.open_until = None
        self._pause = _FIRST_PAUSE

    def failed(self, now: float) -> bool:
        """The far side did not answer, or not sensibly; whether it opens, or opens again, for that."""
        self._row += 1
        self._recent.append(False)
        if self.open_until is not None:
            # What was under way when it opened tells nothing new.
            opens = now >= self.open_until
        else:
            opens = self._row >= _IN_A_ROW or self._mostly_failing()
        if opens:
            self.open_until = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return opens

    def _mostly_failing(self) -> bool:
        return len(self._recent) == _WINDOW and self._recent.count(False) > _WINDOW // 2
