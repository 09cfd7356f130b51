"""Test channels, and the provider behind each: it does what its script says, then takes every message."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from assistance.channels import Channel
from assistance.model import Clock, Message
from assistance.outgoing import Http

Act = Callable[[], BaseException] | asyncio.Event | None
"""Raise that, hang until the event is set, or take the message."""


class Provider:
    """What arrives at one channel.

    `tried` has the monotonic time and the message of every send, `delivered` what was delivered, `replies` those of
    them that went into a thread, with its reference.
    """

    def __init__(self, clock: Clock) -> None:
        self.script: deque[Act] = deque()
        self.always: Act = None
        self.fails: Callable[[Message], Exception | None] = lambda _message: None
        self.tried: list[tuple[float, Message]] = []
        self.delivered: list[Message] = []
        self.replies: list[tuple[str, Message]] = []
        self.hanging: set[asyncio.Event] = set()
        self._clock = clock

    @property
    def times(self) -> list[float]:
        """When each send began."""
        return [at for at, _ in self.tried]

    @property
    def keys(self) -> list[str]:
        """The key of each message that was delivered."""
        return [message.key for message in self.delivered]

    def recover(self) -> None:
        """What hangs goes on, and nothing hangs or fails any more."""
        self.script.clear()
        self.always = None
        for event in self.hanging:
            event.set()

    async def receive(self, message: Message) -> str:
        self.tried.append((self._clock.monotonic(), message))
        act = self.script.popleft() if self.script else self.always
        if isinstance(act, asyncio.Event):
            self.hanging.add(act)
            await act.wait()
        elif act is not None:
            raise act()
        if error := self.fails(message):
            raise error
        self.delivered.append(message)
        return f"ref:{message.key}"


class Scripted(Channel):
    """Sends to the provider of the test."""

    provider: Any

    async def send(self, message: Message, http: Http) -> str | None:  # noqa: ARG002 - no wire
        reference: str = await self.provider.receive(message)
        return reference


class Threaded(Scripted):
    """The same, with threads."""

    async def reply_to(self, thread: str, message: Message, http: Http) -> str | None:  # noqa: ARG002 - no wire
        reference = await self.provider.receive(message)
        self.provider.replies.append((thread, message))
        return f"{thread}/{reference}"
