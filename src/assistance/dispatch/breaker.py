"""A breaker per channel: while the provider is down it gets rest, and what waits for it burns no tries."""

from collections import deque

_IN_A_ROW = 5
_WINDOW = 20
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


class Breaker:
    """Opens after 5 failures in a row or more than half of 20; instants are monotonic seconds.

    When its pause is over it is half open: the lane sends one message, and how that goes closes it or opens it anew.
    """

    def __init__(self) -> None:
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._pause = _FIRST_PAUSE
        self._open_until: float | None = None

    @property
    def closed(self) -> bool:
        """Whether every message may be sent."""
        return self._open_until is None

    def wait(self, now: float) -> float:
        """Seconds until a message may be sent, 0 for at once."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def succeeded(self) -> None:
        """The provider answered: close."""
        self._recent.append(True)
        if self._open_until is not None:
            self._recent.clear()
        self._row = 0
        self._open_until = None
        self._pause = _FIRST_PAUSE

    def failed(self, now: float) -> bool:
        """The provider did not answer, or not sensibly; whether the breaker opens, or opens again, for that."""
        self._row += 1
        self._recent.append(False)
        if self._open_until is not None:
            # What was being sent when it opened says nothing new.
            opens = now >= self._open_until
        else:
            most_of_window = len(self._recent) == _WINDOW and self._recent.count(False) > _WINDOW // 2
            opens = self._row >= _IN_A_ROW or most_of_window
        if opens:
            self._open_until = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return opens
