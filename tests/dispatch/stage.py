"""A dispatcher for tests: a real store, a clock moved by hand, channels whose provider is the test's."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from opentelemetry.trace import NoOpTracer
from tests.dispatch.provider import Provider, Scripted
from tests.fakes.clock import ManualClock

from assistance.channels import Channel
from assistance.dispatch import Dispatcher
from assistance.intake import Ask, Caller, Intake
from assistance.model import Actor, AssistanceRequest, Attempt, Delivery, Event, Transition
from assistance.outgoing import Http
from assistance.outgoing.http import Timeouts
from assistance.routing import Routing, Step, Topic, parse_hours
from assistance.store import Accepted, Command, Move, Recovery, Store, StoreUnavailableError, open_store
from assistance.telemetry import Metrics, set_up_metrics


class Watched:
    """A store that counts what it is doing, and that can be cut off."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.down = False
        self.under_way = 0
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        @wraps(found)
        async def counted(*args: Any) -> Any:
            if self.down:
                raise StoreUnavailableError("cut off by the test")
            self.calls.append(name)
            self.under_way += 1
            try:
                return await found(*args)
            finally:
                self.under_way -= 1

        return counted


@dataclass
class Stage:
    """What a test acts with; `dispatcher` runs from the start."""

    path: Path
    clock: ManualClock
    store: Any
    metrics: Metrics
    channels: dict[str, Channel] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)
    dispatcher: Dispatcher = field(init=False)
    intake: Intake = field(init=False)
    running: asyncio.Task[None] = field(init=False)

    async def start(self, *, owner: str = "one") -> None:
        """A new dispatcher on the store, as a process has it."""
        http = Http(timeouts=Timeouts(whole=5))
        self.dispatcher = Dispatcher(
            self.store,
            http,
            self.clock,
            owner=owner,
            jitter=lambda _low, high: high,
            is_open=lambda hours, at: parse_hours(hours).is_open(at),
            metrics=self.metrics,
            tracer=NoOpTracer(),
        )
        self.intake = Intake(self.store, self.routing, self.clock, self.metrics)
        await self.dispatcher.configure(self.channels)
        self.running = asyncio.create_task(self.dispatcher.run())
        await self.quiet()

    async def drop(self) -> None:
        """The process dies: what it was doing it never finishes, and no lease is released."""
        self.store.down = True
        for lane in self.dispatcher.lanes.values():
            lane.end()
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def restart(self) -> None:
        """A new process on the same file, as `app` starts it."""
        await self.drop()
        self.store.store.close()
        self.store = Watched(open_store(f"sqlite:///{self.path}"))
        await self.store.recover(Recovery(self.clock.now(), everything=True))
        await self.start(owner="two")

    def routing(self) -> Routing:
        """The routing file in force."""
        types = dict.fromkeys(self.channels, "scripted")
        return Routing("assistance.yaml", "", self.topics, self.channels, types, {}, (), (), {})

    def add_channel(self, name: str, kind: type[Scripted] = Scripted, **settings: Any) -> Provider:
        """One more channel in the routing file, not yet in force."""
        provider = self.providers.setdefault(name, Provider(self.clock))
        self.channels[name] = kind(provider=provider, **settings)
        return provider

    async def ask(self, topic: str = "sales", description: str = "Help, please", **more: Any) -> Accepted:
        """Ask as a bot does."""
        ask = Ask.model_validate({"topic": topic, "description": description, **more})
        return await self.intake.accept(ask, Caller("bot-1"))

    async def sent(self, *args: Any, **more: Any) -> str:
        """The id of a new request, once everything that it causes at once has happened."""
        accepted = await self.ask(*args, **more)
        await self.quiet()
        return accepted.request.id

    async def snapshot(self, request_id: str) -> tuple[AssistanceRequest, tuple[Delivery, ...]]:
        """The request as it is now."""
        seen = await self.store.get(request_id)
        assert seen is not None
        request, owed = seen
        return request, owed

    async def states(self, request_id: str) -> list[str]:
        """The state of each of its deliveries."""
        return [str(delivery.state) for delivery in (await self.snapshot(request_id))[1]]

    async def tries(self, request_id: str, n: int = 1) -> list[Attempt]:
        """Every try of one of its deliveries."""
        found: list[tuple[Delivery, list[Attempt]]] = await self.store.tries(request_id)
        return next(made for delivery, made in found if delivery.n == n)

    async def events(self, request_id: str) -> list[str]:
        """What happened to it."""
        line: list[Event] = await self.store.time_line(request_id)
        return [str(event.type) for event in line]

    async def move(self, request_id: str, transition: Transition) -> None:
        """What the desk does."""
        await self.store.change(Move(Command(request_id, Actor("slack", "U1", "Ana"), self.clock.now()), transition))

    async def quiet(self) -> None:
        """Return when nothing happens any more until time goes on."""
        still = 0
        async with asyncio.timeout(20):
            while still < 25:
                await asyncio.sleep(0)
                still = 0 if self.store.under_way else still + 1

    async def go_on(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass in steps, and everything happen that it brings."""
        left = seconds
        while left > 0:
            self.clock.advance(min(step, left))
            left -= step
            await self.quiet()

    async def until(self, condition: Callable[[], object], most: float = 120.0, step: float = 0.25) -> None:
        """Let time pass until the condition holds."""
        for _ in range(int(most / step)):
            if condition():
                return
            await self.go_on(step, step)
        raise AssertionError(f"not within {most} s")

    def route(self, *steps: Step, topic: str = "sales", hours: str | None = None) -> None:
        """Let a topic have these steps from now on."""
        opening = parse_hours(hours) if hours else None
        self.topics[topic] = Topic(topic, topic.title(), "", opening, steps)

    async def reload(self) -> None:
        """Put the routing file in force."""
        await self.dispatcher.configure(self.channels)
        await self.quiet()

    async def end(self) -> None:
        """Let everything come to its end."""
        self.store.down = False
        for provider in self.providers.values():
            provider.recover()
        stopping = asyncio.create_task(self.dispatcher.stop())
        while not stopping.done():
            self.clock.advance(1)
            await asyncio.sleep(0)
        await stopping
        await self.drop()


def set_up(path: Path) -> Stage:
    """A stage with the channels `slack` and `mail`, and the topic `sales` that notifies `slack`; nothing runs yet."""
    clock = ManualClock()
    stage = Stage(path, clock, Watched(open_store(f"sqlite:///{path}")), set_up_metrics({}, "test"))
    stage.add_channel("slack")
    stage.add_channel("mail")
    stage.route(Step(("slack",)))
    return stage
