"""Whether the store has heard what a lane knows of itself."""

from collections.abc import Iterator
from contextlib import contextmanager


class Report:
    """Numbers what is told to the store: an answer of the store counts if nothing was told since it was asked."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told = self._under_way = 0

    @property
    def number(self) -> int | None:
        """Of the last one; None while one is being told."""
        return None if self._under_way else self._told

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Meanwhile, what the store says of the lane may be older than what the lane knows."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._told += 1
