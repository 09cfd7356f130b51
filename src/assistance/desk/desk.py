"""The desk: what agents, bots and operators do to a request after it was accepted."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from typing_extensions import TypedDict  # pydantic documents those of `typing` from Python 3.12 on

from assistance.channels import CanUpdate
from assistance.model import Actor, Attempt, Clock, Delivery, Snapshot, State, Transition
from assistance.routing import Routing, expected_response, plan
from assistance.store import (
    Command,
    ConflictError,
    DeliveryFilter,
    Erasure,
    FollowUp,
    Move,
    NoSuchDeliveryError,
    NotFoundError,
    Owed,
    Reply,
    Reroute,
    Retry,
    Store,
    StoreUnavailableError,
)
from assistance.telemetry import Metrics

MOST_REPLAYED = 1_000
"""Deliveries that one replay sends again at most."""
_AT_ONCE = 100
_SEND_SECONDS = 20.0

IfMatch = frozenset[int] | None
"""The versions of which a request must have one (`If-Match`); None: whatever it has."""
T = TypeVar("T")


class Replayed(TypedDict):
    """What was sent again, or would be; `more` says whether there are more: ask again."""

    dry_run: bool
    count: int
    ids: list[str]
    more: bool


class Waiting(Protocol):
    """Waits until a request has changed."""

    async def until(
        self, request_id: str, read: Callable[[], Awaitable[T]], enough: Callable[[T], bool], seconds: float
    ) -> T:
        """What `read` gives once it is `enough`, or as it is after `seconds`."""
        ...


class Desk:
    """Changes requests, and counts.

    Each change raises NotFoundError, ConflictError where the request's status forbids it, ChangedError where its
    version is none of `if_match`, and StoreUnavailableError.

    Args:
        store: where requests are.
        clock: when things happen.
        routing: gives the routing file in force.
        metrics: where claims are timed.
        waiting: waits for what is being sent.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        routing: Callable[[], Routing],
        metrics: Metrics,
        waiting: Waiting,
    ) -> None:
        self._store = store
        self._clock = clock
        self._routing = routing
        self._metrics = metrics
        self._waiting = waiting

    async def move(self, transition: Transition, request_id: str, actor: Actor, if_match: IfMatch = None) -> Snapshot:
        """Claim, release, resolve or cancel; of two claims at once one is refused, with the claim of the other."""
        changed = await self._store.change(Move(self._command(request_id, actor, if_match), transition))
        if transition is Transition.CLAIM and (claim := changed.request.claim):
            self._metrics.claimed(changed.request.topic, claim.at - changed.request.created_at)
        return changed

    async def follow_up(self, request_id: str, actor: Actor, text: str, if_match: IfMatch = None) -> Snapshot:
        """Add what the customer says now."""
        return await self._store.change(FollowUp(self._command(request_id, actor, if_match), text))

    async def reply(self, request_id: str, actor: Actor, text: str, if_match: IfMatch = None) -> Snapshot:
        """Record what a person says to the customer; the bot reads it in the events."""
        return await self._store.change(Reply(self._command(request_id, actor, if_match), text))

    async def reroute(self, request_id: str, actor: Actor, topic: str, if_match: IfMatch = None) -> Snapshot:
        """Pass it on to the people of another topic; raises UnknownTopicError too."""
        command, routing = self._command(request_id, actor, if_match), self._routing()
        to = routing.known_topic(topic)
        owed = plan(to, request_id, command.now, routing.channels)
        return await self._store.change(Reroute(command, to.name, to.title, owed, expected_response(to, command.now)))

    async def erase(self, request_id: str, actor: Actor) -> None:
        """Erase what the customer wrote and what was replied, here and in the channels that can."""
        if not _all_sent(await self._erase(request_id, actor)):
            # Race: a message that is being sent has the text, and no reference to rewrite it by until it is delivered.
            await self._waiting.until(request_id, partial(self._store.get, request_id), _all_sent, _SEND_SECONDS)
            await self._erase(request_id, actor)

    async def _erase(self, request_id: str, actor: Actor) -> Snapshot:
        channels = self._routing().channels
        rewritable = {name for name, channel in channels.items() if isinstance(channel, CanUpdate)}
        return await self._store.change(Erasure(self._command(request_id, actor), rewritable))

    async def retry(self, request_id: str, n: int, actor: Actor) -> tuple[Delivery, list[Attempt]]:
        """Send delivery `n` again now; the delivery and its tries. Raises NoSuchDeliveryError too."""
        await self._retry(Retry(self._command(request_id, actor), n))
        for delivery, tries in await self._store.tries(request_id):
            if delivery.n == n:
                return delivery, tries
        raise NoSuchDeliveryError(f"{request_id}.{n}")

    async def _retry(self, retry: Retry) -> None:
        snapshot = await self._store.change(retry)
        await self.try_parked(next(each.channel for each in snapshot.deliveries if each.n == retry.n))

    async def replay(self, selection: DeliveryFilter, actor: Actor, *, dry_run: bool) -> Replayed:
        """Send again what is selected and can be sent, the oldest first; a dry run says what that would be."""
        found = await self._store.deliveries(replace(selection, limit=MOST_REPLAYED + 1, to_send=True))
        these, more = found[:MOST_REPLAYED], len(found) > MOST_REPLAYED
        keys = [owed.delivery.key for owed in these]
        if not dry_run:
            sent: list[bool] = []
            for start in range(0, len(these), _AT_ONCE):
                # So many share one commit, and requests that are accepted meanwhile are committed between two of them.
                some = these[start : start + _AT_ONCE]
                sent += await asyncio.gather(*(self._again(owed, selection, actor) for owed in some))
            keys = [key for key, done in zip(keys, sent, strict=True) if done]
        return {"dry_run": dry_run, "count": len(keys), "ids": keys, "more": more}

    async def _again(self, owed: Owed, selection: DeliveryFilter, actor: Actor) -> bool:
        """Whether it was sent again: not where it has changed since it was selected."""
        delivery = owed.delivery
        with suppress(ConflictError, NotFoundError):
            await self._retry(Retry(self._command(delivery.request_id, actor), delivery.n, selection.states))
            return True
        return False

    async def try_parked(self, channel: str | None = None) -> None:
        """Try each parked channel now, or that one, with one message; without the store it is tried a minute later."""
        with suppress(StoreUnavailableError):
            await self._store.try_parked(channel)

    def _command(self, request_id: str, actor: Actor, if_match: IfMatch = None) -> Command:
        return Command(request_id, actor, self._clock.now(), if_match)


def _all_sent(snapshot: Snapshot | None) -> bool:
    return snapshot is None or all(delivery.state is not State.SENDING for delivery in snapshot.deliveries)
