"""One of several processes that work on the same store as hard as they can: `hammer.py URL NAME ROUNDS SEED`.

Prints, as JSON, what it accepted and what it leased under which fence.
"""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable

from tests.store.asks import NOW, dequeue, failover, key, move, new, notice, outcome, request

from assistance.model import State, Status
from assistance.store import ConflictError, Job, Lease, Park, Recorded, Recovery, Store, Unpark, open_store

CHANNELS = ("slack", "mail", "sms")
OUTCOMES = [State.DELIVERED] * 6 + [State.RETRYING] * 3 + [State.FAILED] * 2 + [State.PARKED]


class Hammer:
    """Does a bit of everything, at random."""

    def __init__(self, store: Store, name: str, seed: int) -> None:
        self._store = store
        self._lease = Lease(name, 30.0)
        self._random = random.Random(seed)
        self.accepted: set[str] = set()
        self.leased: list[tuple[str, int, int]] = []

    async def run(self, rounds: int) -> None:
        """Accept, dequeue, record and disturb, all at the same time."""
        kinds = self._accept, self._dispatch, self._dispatch, self._disturb
        await asyncio.gather(*(self._repeat(kind, rounds) for kind in kinds))

    async def _repeat(self, kind: Callable[[], Awaitable[None]], rounds: int) -> None:
        for _ in range(rounds):
            await kind()

    async def _accept(self) -> None:
        found = await asyncio.gather(*(self._ask(self._random.randrange(40)) for _ in range(8)))
        self.accepted |= set(found)

    async def _ask(self, number: int) -> str:
        """Keys and conversations are few, so that processes meet."""
        of = request(conversation_id=f"c{number}" if number % 2 else None)
        owed = notice(of, 1, self._random.choice(CHANNELS)), notice(of, 2, "log", person=False), failover(of, 3)
        known = key(f"k{number}-{self._random.randrange(20)}") if number % 3 else None
        return (await self._store.accept(new(*owed, of=of, key=known))).request.id

    async def _dispatch(self) -> None:
        paces = {"slack": 1e6} if self._random.random() < 0.5 else {}
        jobs = await dequeue(self._store, *CHANNELS, "log", at=NOW + 1, room=8, lease=self._lease, paces=paces)
        self.leased += [(job.delivery.request_id, job.delivery.n, job.delivery.fence) for job in jobs]
        await asyncio.gather(*map(self._finish, jobs))

    async def _finish(self, job: Job) -> None:
        if self._random.random() < 0.1:
            await self._store.release(job.delivery)
        else:
            assert (
                await self._store.record_outcome(outcome(job, self._random.choice(OUTCOMES), at=NOW))
                is not Recorded.LATE
            )

    async def _disturb(self) -> None:
        await self._store.recover(Recovery(NOW))
        channel = self._random.choice(CHANNELS)
        await self._store.park(Park(channel, "credentials", NOW + 1))
        for request_id in self._random.sample(sorted(self.accepted), min(3, len(self.accepted))):
            try:
                await move(self._store, request_id, self._random.choice([Status.CLAIMED, Status.CANCELLED]))
            except ConflictError:
                continue
        await self._store.unpark(Unpark(channel, NOW + 1))


async def main(url: str, name: str, rounds: int, seed: int) -> None:
    """Hammer, then print."""
    store = open_store(url)
    hammer = Hammer(store, name, seed)
    try:
        await hammer.run(rounds)
    finally:
        store.close()
    sys.stdout.write(json.dumps({"accepted": sorted(hammer.accepted), "leased": hammer.leased}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
