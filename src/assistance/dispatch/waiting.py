"""What a lane holds and has not begun, in the order in which it goes."""

import heapq
from collections.abc import Collection

from assistance.model import Priority
from assistance.store import Job


class Waiting:
    """Urgent works first, then by due time."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._heap: list[tuple[bool, float, str, int, Job]] = []

    def __len__(self) -> int:
        """How many wait."""
        return len(self._heap)

    def put(self, job: Job) -> None:
        """Let this have its turn."""
        delivery = job.delivery
        normal = job.request.priority is not Priority.URGENT
        # With the fence no two are alike, and works themselves have no order.
        heapq.heappush(self._heap, (normal, delivery.due_at, delivery.key, delivery.fence, job))

    def pop(self) -> Job:
        """Whose turn it is; it waits no more."""
        return heapq.heappop(self._heap)[-1]

    def drop(self, keys: Collection[str]) -> None:
        """Forget those with these keys."""
        self._heap = [entry for entry in self._heap if entry[-1].delivery.key not in keys]
        heapq.heapify(self._heap)

    def clear(self) -> list[Job]:
        """Forget all of them; says which that were."""
        jobs = [entry[-1] for entry in self._heap]
        self._heap.clear()
        return jobs
