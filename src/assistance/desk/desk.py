"""The desk: what people, bots and time do to a request after it was accepted."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from assistance.channels import CanUpdate
from assistance.model import Actor, Clock, EventType, Snapshot, Status
from assistance.routing import Routing, Topic, expected_response, plan
from assistance.store import (
    Command,
    ConflictError,
    DeliveryFilter,
    Erasure,
    FollowUp,
    Move,
    NotFoundError,
    Owed,
    Reply,
    Reroute,
    Retained,
    Retry,
    Store,
    StoreUnavailableError,
)

MOST_REPLAYED = 1_000
"""Deliveries that one replay sends again at most."""
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class SentAgain:
    """The keys of what a replay sends again, and whether there is more of it."""

    keys: list[str]
    more: bool


class Dispatching(Protocol):
    """A dispatcher in the same process."""

    @property
    def parked(self) -> Mapping[str, str]:
        """The channels that are parked, and why."""
        ...

    def wake(self) -> None:
        """Look into the store: something may be due."""
        ...


class Desk:
    """Moves requests on, and lets those who were told hear of it.

    What changes a request raises what the store does: NotFoundError, ConflictError where its status forbids it,
    ChangedError where its version is none of `if_match`, StoreUnavailableError.
    """

    def __init__(
        self, store: Store, clock: Clock, routing: Callable[[], Routing], dispatching: Dispatching | None = None
    ) -> None:
        """Work on `store`; without `dispatching` another process finds what is due."""
        self._store = store
        self._clock = clock
        self._routing = routing
        self._dispatching = dispatching

    async def cancel(self, request_id: str, actor: Actor, if_match: frozenset[int] | None = None) -> Snapshot:
        """The customer needs nobody any more."""
        return await self._move(request_id, actor, if_match, Status.CANCELLED, EventType.CANCELLED)

    async def claim(self, request_id: str, actor: Actor, if_match: frozenset[int] | None = None) -> Snapshot:
        """`actor` has it. Of two who claim at once one is refused, with the claim of the other."""
        return await self._move(request_id, actor, if_match, Status.CLAIMED, EventType.CLAIMED)

    async def release(self, request_id: str, actor: Actor, if_match: frozenset[int] | None = None) -> Snapshot:
        """Whoever had it has it no more."""
        return await self._move(request_id, actor, if_match, None, EventType.RELEASED)

    async def resolve(self, request_id: str, actor: Actor, if_match: frozenset[int] | None = None) -> Snapshot:
        """The customer was helped."""
        return await self._move(request_id, actor, if_match, Status.RESOLVED, EventType.RESOLVED)

    async def follow_up(
        self, request_id: str, actor: Actor, text: str, if_match: frozenset[int] | None = None
    ) -> Snapshot:
        """The customer adds something."""
        return self._wake_dispatcher(
            await self._store.follow_up(FollowUp(self._command(request_id, actor, if_match), text))
        )

    async def reply(self, request_id: str, actor: Actor, text: str, if_match: frozenset[int] | None = None) -> Snapshot:
        """A person says something to the customer, which the bot finds in the time line."""
        return self._wake_dispatcher(await self._store.reply(Reply(self._command(request_id, actor, if_match), text)))

    async def reroute(
        self, request_id: str, actor: Actor, topic: Topic, if_match: frozenset[int] | None = None
    ) -> Snapshot:
        """It is for the people of another topic."""
        command = self._command(request_id, actor, if_match)
        seen = await self._store.get(request_id)
        if seen is None:
            raise NotFoundError(request_id)
        parked = self._dispatching.parked if self._dispatching else {}
        owed = plan(topic, request_id, command.now, seen[0].priority, self._routing().channels, parked)
        expected = expected_response(topic, command.now)
        return self._wake_dispatcher(
            await self._store.reroute(Reroute(command, topic.name, topic.title, owed, expected))
        )

    async def retry(self, retry: Retry) -> Snapshot:
        """An operator sends a delivery again."""
        snapshot = await self._store.retry(retry)
        await self.try_parked(next(d.channel for d in snapshot.deliveries if d.n == retry.n))
        return snapshot

    async def replay(self, selection: DeliveryFilter, actor: Actor, *, dry_run: bool) -> SentAgain:
        """Send again what is selected and can be sent, the oldest first; a dry run says what that would be."""
        found = await self._store.deliveries(replace(selection, limit=MOST_REPLAYED + 1, to_send=True))
        these, more = found[:MOST_REPLAYED], len(found) > MOST_REPLAYED
        if dry_run:
            return SentAgain([owed.delivery.key for owed in these], more)
        sent: list[str | None] = []
        for start in range(0, len(these), _AT_ONCE):
            # So many share one commit, and what is accepted meanwhile gets its turn after each.
            some = these[start : start + _AT_ONCE]
            sent += await asyncio.gather(*(self._again(owed, selection, actor) for owed in some))
        return SentAgain([key for key in sent if key is not None], more)

    async def _again(self, owed: Owed, selection: DeliveryFilter, actor: Actor) -> str | None:
        """Its key, if it still was as it was found."""
        delivery = owed.delivery
        with suppress(ConflictError, NotFoundError):
            await self.retry(Retry(self._command(delivery.request_id, actor), delivery.n, selection.states))
            return delivery.key
        return None

    async def try_parked(self, channel: str | None = None) -> None:
        """Let one message try each parked channel now, or that one; where the store is away it waits for its minute."""
        with suppress(StoreUnavailableError):
            await self._store.try_parked(channel)
        if self._dispatching:
            self._dispatching.wake()

    async def erase(self, request_id: str, actor: Actor) -> Snapshot:
        """Erase what the customer wrote, here and in the channels that can."""
        channels = self._routing().channels
        rewritable = {name for name, channel in channels.items() if isinstance(channel, CanUpdate)}
        return self._wake_dispatcher(await self._store.erase(Erasure(self._command(request_id, actor), rewritable)))

    async def expire(self) -> int:
        """Expire what nobody took in its time; says how many."""
        return len(await self._store.expire(self._clock.now()))

    async def retain(self) -> Retained:
        """Forget what need not be kept any more: texts after 90 days, requests that are over after a year."""
        return await self._store.retain(self._clock.now())

    def _command(self, request_id: str, actor: Actor, if_match: frozenset[int] | None = None) -> Command:
        return Command(request_id, actor, self._clock.now(), if_match)

    async def _move(
        self, request_id: str, actor: Actor, if_match: frozenset[int] | None, status: Status | None, type_: EventType
    ) -> Snapshot:
        return self._wake_dispatcher(
            await self._store.move(Move(self._command(request_id, actor, if_match), status, type_))
        )

    def _wake_dispatcher(self, snapshot: Snapshot) -> Snapshot:
        if self._dispatching:
            self._dispatching.wake()
        return snapshot
