"""What becomes of a delivery whose time has come."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from assistance.model import OPEN, AssistanceRequest, Condition, Delivery, Kind, State, When


class Decision(Enum):
    """It goes out, is looked at again later, or never goes out."""

    SEND = auto()
    WAIT = auto()
    SKIP = auto()


@dataclass(frozen=True, slots=True)
class Hours:
    """Tells whether hours, as a delivery carries them, are open at `now`."""

    is_open: Callable[[str, float], bool]
    now: float

    def allow(self, delivery: Delivery) -> bool:
        """Whether the delivery may go out; looked at once, when it is first taken.

        What counts is when it was due: for what had to wait for its turn, or for its channel to be mended, nobody else
        was told in its place.
        """
        if delivery.when is When.BOTH or delivery.hours is None or delivery.fence:
            return True
        return self.is_open(delivery.hours, min(delivery.due_at, self.now)) is (delivery.when is When.OPEN)


def decide(delivery: Delivery, request: AssistanceRequest, notice: Delivery | None, hours: Hours) -> Decision:
    """What becomes of it; `notice` is the one that an update belongs to."""
    if delivery.kind is Kind.CALLBACK:
        return Decision.SEND
    if delivery.kind is not Kind.NOTICE:
        # A notice that is not told yet will say it all.
        told = notice is not None and notice.state is State.DELIVERED
        return Decision.SEND if told else Decision.SKIP
    if not _wanted(delivery, request):
        return Decision.SKIP
    if hours.allow(delivery):
        return Decision.SEND
    # Brought forward, it goes back to its own time: it may be open then.
    return Decision.WAIT if delivery.owed_since > hours.now else Decision.SKIP


def _wanted(delivery: Delivery, request: AssistanceRequest) -> bool:
    if delivery.condition is Condition.UNDELIVERED and request.notified_at is not None:
        return False
    if delivery.condition is Condition.UNCLAIMED and request.claim is not None:
        return False
    return request.status in OPEN
