"""Who sends for a lane, seen from the lane."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from assistance.dispatch.outcome import Try
from assistance.store import Work

if TYPE_CHECKING:
    from assistance.dispatch.lane import Lane


class Carrier(Protocol):
    """What a lane does with its works."""

    async def send(self, lane: "Lane", work: Work) -> Try:
        """Try once; raises nothing but CancelledError."""
        ...

    async def record(self, lane: "Lane", work: Work, made: Try, *, probing: bool) -> None:
        """Learn from the try and write down what became of it."""
        ...

    async def release(self, lane: "Lane", works: Sequence[Work]) -> None:
        """Give works back to the store as if they had never been leased."""
        ...
