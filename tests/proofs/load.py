"""A steady stream of requests that does not wait for answers, and how long each answer took."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.fakes.process import ServiceProcess
from tests.proofs.clients import Ask, come, send


@dataclass(slots=True)
class Phase:
    """The answers of one stretch of time.

    `answers` are pairs: when a request was due, and the seconds from then until its answer.
    """

    statuses: Counter[int | str] = field(default_factory=Counter)
    answers: list[tuple[float, float]] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        return [seconds for _, seconds in self.answers]

    def typical_p99(self) -> float:
        """The median of the p99 of each second: a short disturbance of the machine does not count."""
        by_second = defaultdict(list)
        for due, seconds in self.answers:
            by_second[int(due)].append(seconds)
        return median(percentile(each, 99) for each in by_second.values())

    def __str__(self) -> str:
        p50, p99, worst = (1000 * percentile(self.seconds, percent) for percent in (50, 99, 100))
        return f"{dict(self.statuses)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.0f} ms"


def percentile(seconds: Sequence[float], percent: float) -> float:
    """The percentile: that many of a hundred values are not above it."""
    return sorted(seconds)[math.ceil(len(seconds) * percent / 100) - 1]


async def ticks(rate: float, seconds: float) -> AsyncIterator[float]:
    """Yield the loop's time `rate` times a second for `seconds`, each when it is due."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await come(due)
        yield due


async def steadily(service: ServiceProcess, log: Sequence[Ask], rate: float) -> Phase:
    """Send the calls in `log`, `rate` a second; return when all are answered."""
    phase, left = Phase(), iter(log)
    async with asyncio.TaskGroup() as running:
        async for due in ticks(rate, len(log) / rate):
            running.create_task(_ask(service, next(left), due, phase))
    return phase


async def _ask(service: ServiceProcess, ask: Ask, due: float, phase: Phase) -> None:
    await send(service, ask)
    phase.statuses[ask.status or "lost"] += 1
    phase.answers.append((due, asyncio.get_running_loop().time() - due))
