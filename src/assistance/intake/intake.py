"""Accept: from a valid ask to a request on stable storage, with all that is owed for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic_core import to_json

from assistance.intake.ask import Ask
from assistance.model import AssistanceRequest, Clock, Delivery, State, represent
from assistance.routing import Routing, Topic, expected_response, plan
from assistance.store import Acceptance, Accepted, IdempotencyKey, Job, Lease, NewRequest, Store

KEPT_FOR = 7 * 86_400
"""Seconds for which an idempotency key is remembered."""


class HandOff(Protocol):
    """A dispatcher in the same process, which sends what is due at once from memory."""

    def lease(self) -> Lease:
        """The lease under which it sends."""
        ...

    def reserve(self, channel: str) -> bool:
        """Whether it promises to send on `channel` at once."""
        ...

    def unreserve(self, channel: str) -> None:
        """The promise is not needed."""
        ...

    def hand(self, job: Job) -> None:
        """Send this now."""
        ...

    def due(self, channel: str) -> None:
        """Something on `channel` is due in the store that was not handed over."""
        ...

    @property
    def parked(self) -> Mapping[str, str]:
        """The channels that are parked, and why."""
        ...


class UnknownCallbackError(LookupError):
    """No callback of that name is registered for this client."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the token's `sub`, and the call's `X-Request-ID` and `traceparent`."""

    client: str
    correlation_id: str | None = None
    traceparent: str | None = None


class Intake:
    """Takes requests in. `routing` gives the routing file in force, `new_id` an id for an instant."""

    def __init__(
        self,
        store: Store,
        routing: Callable[[], Routing],
        clock: Clock,
        new_id: Callable[[float], str],
        handoff: HandOff | None,
    ) -> None:
        """Without `handoff`, what is due waits in the store for another process."""
        self._store = store
        self._routing = routing
        self._clock = clock
        self._new_id = new_id
        self._handoff = handoff

    async def accept(self, ask: Ask, caller: Caller, key: tuple[str, bytes] | None = None) -> Accepted:
        """Store the ask and set its deliveries going.

        Args:
            ask: what the bot sent.
            caller: who it is.
            key: the idempotency key and the fingerprint of the body.

        Raises:
            UnknownTopicError, UnknownCallbackError: the routing file does not have it.
            KeyReusedError: the key was used with another body.
            TooManyFollowUpsError: its conversation has all it may have.
            StoreUnavailableError: it was not stored.
        """
        routing, now = self._routing(), self._clock.now()
        topic = routing.known_topic(ask.topic)
        _check_callback(routing, ask.callback, caller.client)
        request = self._request(ask, topic, caller, now)
        parked = self._handoff.parked if self._handoff else {}
        owed = plan(topic, request.id, now, request.priority, routing.channels, parked)
        reserved = self._reserve(owed, now)
        accepted: Accepted | None = None
        try:
            accepted = await self._store.accept(
                NewRequest(
                    request,
                    owed,
                    lambda stored, notices: answer(stored, notices, ask.ignored()),
                    IdempotencyKey(*key, now + KEPT_FOR) if key else None,
                    self._handoff.lease() if self._handoff else None,
                    frozenset(delivery.n for delivery in reserved),
                )
            )
        finally:
            self._hand_over(accepted, reserved, now)
        return accepted

    def _request(self, ask: Ask, topic: Topic, caller: Caller, now: float) -> AssistanceRequest:
        return AssistanceRequest(
            id=self._new_id(now),
            client=caller.client,
            topic=topic.name,
            topic_title=topic.title,
            description=ask.description,
            conversation_id=ask.conversation_id,
            customer=ask.who(),
            links=ask.pages(),
            priority=ask.priority,
            callback=ask.callback,
            metadata=dict(ask.metadata or {}),
            created_at=now,
            expires_at=now + (ask.expires_in or topic.expires_in),
            expected_response=expected_response(topic, now),
            traceparent=caller.traceparent,
            correlation_id=caller.correlation_id,
        )

    def _reserve(self, owed: Sequence[Delivery], now: float) -> list[Delivery]:
        """Those that the dispatcher of this process promises to send at once."""
        if self._handoff is None:
            return []
        return [delivery for delivery in owed if _is_due(delivery, now) and self._handoff.reserve(delivery.channel)]

    def _hand_over(self, accepted: Accepted | None, reserved: Sequence[Delivery], now: float) -> None:
        """Keep or give back each promise, and tell of what else is due: after the commit, or it would not be found."""
        if self._handoff is None:
            return
        created = accepted is not None and accepted.how is Acceptance.CREATED
        owed = accepted.deliveries if accepted else ()
        # A channel may have been frozen or parked meanwhile: then it was stored without a lease.
        leased = {delivery.n: delivery for delivery in owed if created and delivery.state is State.SENDING}
        for promised in reserved:
            if accepted is not None and (delivery := leased.get(promised.n)):
                self._handoff.hand(Job(delivery, accepted.request))
            else:
                self._handoff.unreserve(promised.channel)
        for delivery in owed:
            if _is_due(delivery, now):
                self._handoff.due(delivery.channel)


def _is_due(delivery: Delivery, now: float) -> bool:
    return delivery.state is State.PENDING and delivery.due_at <= now


def _check_callback(routing: Routing, name: str | None, client: str) -> None:
    if name is None:
        return
    callback = routing.callbacks.get(name)
    if callback is None or client not in callback.clients:
        raise UnknownCallbackError(name)


def answer(request: AssistanceRequest, deliveries: Sequence[Delivery], ignored: Sequence[str]) -> bytes:
    """The body of the answer to an ask."""
    return to_json({**represent(request, deliveries), "ignored": ignored})
