"""Accept: from a valid ask to a request on stable storage, with all that is owed for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic_core import to_json

from assistance.intake.ask import Ask
from assistance.model import AssistanceRequest, Clock, Delivery, State, represent
from assistance.routing import Routing, Topic, expected_response, plan
from assistance.store import Accepted, IdempotencyKey, NewRequest, Store

KEPT_FOR = 7 * 86_400
"""Seconds for which an idempotency key is remembered."""


class Dispatching(Protocol):
    """A dispatcher in the same process."""

    @property
    def parked(self) -> Mapping[str, str]:
        """The channels that are parked, and why."""
        ...

    def wake(self) -> None:
        """Look into the store: something may be due."""
        ...


class UnknownTopicError(LookupError):
    """There is no such topic."""


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
        dispatching: Dispatching | None,
    ) -> None:
        """Without `dispatching` another process finds what is due."""
        self._store = store
        self._routing = routing
        self._clock = clock
        self._new_id = new_id
        self._dispatching = dispatching

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
        topic = routing.topic(ask.topic)
        if topic is None:
            raise UnknownTopicError(ask.topic)
        _check_callback(routing, ask.callback, caller.client)
        request = self._request(ask, topic, caller, now)
        parked = self._dispatching.parked if self._dispatching else {}
        accepted = await self._store.accept(
            NewRequest(
                request,
                plan(topic, request.id, now, request.priority, routing.channels, parked),
                lambda stored, notices: answer(stored, notices, ask.ignored()),
                IdempotencyKey(*key, now + KEPT_FOR) if key else None,
            )
        )
        if self._dispatching and any(d.state is State.PENDING and d.due_at <= now for d in accepted.deliveries):
            self._dispatching.wake()
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


def _check_callback(routing: Routing, name: str | None, client: str) -> None:
    if name is None:
        return
    callback = routing.callbacks.get(name)
    if callback is None or client not in callback.clients:
        raise UnknownCallbackError(name)


def answer(request: AssistanceRequest, deliveries: Sequence[Delivery], ignored: Sequence[str]) -> bytes:
    """The body of the answer to an ask."""
    return to_json({**represent(request, deliveries), "ignored": ignored})
