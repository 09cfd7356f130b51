"""Where a lane's next messages come from: handed over by who accepts them, or looked up in the store."""

from collections.abc import Iterator
from contextlib import contextmanager


class Supply:
    """What is on its way to a lane, and what may still wait for it in the store.

    `waiting` is true while something may be due in the store, `behind` while that may be more than there is room for,
    so that what is accepted now must not overtake it. `promised` counts the room kept for requests that are being
    accepted, `asked` what a look into the store under way may bring.
    """

    def __init__(self) -> None:
        """Nothing is known of the store yet."""
        self.waiting = self.behind = True
        self.promised = self.asked = 0

    @property
    def coming(self) -> int:
        """How much room is spoken for."""
        return self.promised + self.asked

    def promise(self) -> None:
        """Keep room for one message."""
        self.promised += 1

    def redeem(self) -> None:
        """A promise is kept, or not needed."""
        self.promised -= 1

    def stored(self) -> None:
        """Something that is due was stored and not handed over."""
        self.waiting = True
        # What a look under way has left no room for is all there is; else the lane is full, or closed.
        self.behind = self.behind or not self.asked

    def unknown(self) -> None:
        """The store may have anything for the lane: it was closed, or has given something back."""
        self.waiting = self.behind = True

    @contextmanager
    def looking(self, room: int) -> Iterator[None]:
        """A look that may bring so many; what is stored meanwhile is news again. `looked` says how it ended."""
        self.asked, self.waiting = room, False
        try:
            yield
        except BaseException:
            self.waiting = True
            raise
        finally:
            self.asked = 0

    def looked(self, room: int, found: int) -> None:
        """A look that might bring `room` has found so many."""
        self.behind = found >= room
        self.waiting = self.waiting or self.behind
