"""Who waits for a request to change, within this process."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Changes:
    """Wakes those who wait for a request to change."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._watched: dict[str, set[asyncio.Event]] = {}

    def publish(self, request_ids: Iterable[str]) -> None:
        """These have changed."""
        for request_id in request_ids:
            for event in self._watched.get(request_id, ()):
                event.set()

    @contextmanager
    def subscribe(self, request_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the request changes; clear it before looking."""
        event = asyncio.Event()
        self._watched.setdefault(request_id, set()).add(event)
        try:
            yield event
        finally:
            watching = self._watched[request_id]
            watching.discard(event)
            if not watching:
                del self._watched[request_id]
