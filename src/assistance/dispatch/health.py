"""What is known of one channel: parked, frozen, not answering, gone from the routing file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assistance.dispatch.breaker import Breaker
from assistance.model import Clock, Reason


class LaneHealth:
    """Whether messages may be sent to a channel now.

    `changed` is called after each change, before anything else can happen: what may not be sent any more goes back.

    Attributes:
        parked: why nothing is sent but a probe, None where the channel is not parked.
        frozen_until: the instant before which the provider wants nothing (`Retry-After`).
        removed: whether the routing file does not have the channel any more.
    """

    def __init__(self, channel: str, clock: Clock, changed: Callable[[], None]) -> None:
        self.channel = channel
        self.breaker = Breaker()
        self.parked: str | None = None
        self.frozen_until = 0.0
        self.removed = False
        self._clock = clock
        self._changed = changed
        self._written = self._writing = 0

    @property
    def parked_for(self) -> str | None:
        """Why what is due on the channel is parked, None where it is not."""
        return Reason.UNKNOWN_CHANNEL if self.removed else self.parked

    @property
    def opens_in(self) -> float:
        """Seconds until messages may be sent as far as time alone decides, 0 when they may."""
        # Asked several times a message, and mostly neither holds: then no clock is read.
        wait = self.frozen_until - self._clock.now() if self.frozen_until else 0.0
        if not self.breaker.closed:
            wait = max(wait, self.breaker.wait(self._clock.monotonic()))
        return max(0.0, wait)

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent now."""
        return self.parked_for is not None or self.opens_in > 0

    def park(self, reason: str) -> None:
        """Send nothing more but a probe."""
        self.parked = reason
        self._changed()

    def unpark(self) -> None:
        """Send again."""
        self.parked = None
        self._changed()

    def remove(self, *, removed: bool) -> None:
        """The routing file has lost the channel, or has it."""
        self.removed = removed
        self._changed()

    def freeze(self, until: float) -> None:
        """Send nothing before the instant `until`."""
        self.frozen_until = max(self.frozen_until, until)
        self._changed()

    def succeeded(self) -> bool:
        """The provider has answered; whether that closes the breaker."""
        closes = not self.breaker.closed
        self.breaker.succeeded()
        self._changed()
        return closes

    def failed(self) -> bool:
        """The provider has not answered, or not sensibly; whether that opens the breaker."""
        opens = self.breaker.failed(self._clock.monotonic())
        self._changed()
        return opens

    # Race: what the store says of the channel may be older than what this process writes to it just now.

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is known of the channel is being written to the store."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1
            self._written += 1

    @property
    def version(self) -> int | None:
        """How often it was written to the store, None while it is being written.

        An answer of the store counts where this is the same number before the question and after the answer.
        """
        return None if self._writing else self._written
