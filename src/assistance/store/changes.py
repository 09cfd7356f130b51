"""Who waits for a request to change, within this process."""

import asyncio
from collections.abc import Iterable


class Changes:
    """Wakes those who wait for a request to change."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def tell(self, request_ids: Iterable[str]) -> None:
        """These have changed."""
        for request_id in request_ids:
            for event in self._waiting.get(request_id, ()):
                event.set()

    async def wait(self, request_id: str, seconds: float) -> bool:
        """Wait until the request changes; False when the time is over."""
        event = asyncio.Event()
        self._waiting.setdefault(request_id, set()).add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            waiting = self._waiting[request_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[request_id]
