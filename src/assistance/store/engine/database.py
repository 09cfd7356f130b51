"""What the store needs to know of a database, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from assistance.store.engine.waking import Wakes


@dataclass(frozen=True, slots=True)
class Database:
    """An open database.

    `file_lock` is the lock of a file that this process has for itself, given back at the end. `wakes` reaches the other
    processes where there are any. `broken` says why nothing it answers can be trusted any more after an error, or
    None.
    """

    writing: Engine
    reading: Engine
    file_lock: IO[str] | None = None
    wakes: "Wakes | None" = None
    broken: Callable[[DBAPIError], str | None] = lambda _error: None

    def close(self) -> None:
        """Let go of it, once nothing writes or reads any more."""
        if self.wakes:
            self.wakes.close()
        self.writing.dispose()
        self.reading.dispose()
        if self.file_lock:
            self.file_lock.close()
