"""The desk: what bots and time do to a request after it was accepted."""

from assistance.model import Clock, EventType, Status
from assistance.store import Move, Moved, Store


class Desk:
    """Moves requests on. Raises what `Store.move` raises."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Work on `store`."""
        self._store = store
        self._clock = clock

    async def cancel(self, request_id: str, client: str) -> Moved:
        """The customer needs nobody any more."""
        return await self._store.move(
            Move(request_id, Status.CANCELLED, EventType.CANCELLED, f"api:{client}", self._clock.now())
        )

    async def expire(self) -> int:
        """Expire what nobody took in its time; says how many."""
        return len(await self._store.expire(self._clock.now()))
