"""Accept: from a valid body to a request on stable storage, with the deliveries that it owes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from assistance.intake.ask import Ask
from assistance.model import AssistanceRequest, Clock, Delivery, RequestAnswer, represent, uuid7
from assistance.routing import Routing, Topic, UnknownTopicError, expected_response, plan
from assistance.security import MissingScopeError
from assistance.security.tokens.scopes import REQUEST
from assistance.store import Accepted, IdempotencyKey, KeyReusedError, NewRequest, Store, TooManyFollowUpsError
from assistance.telemetry import Metrics

KEPT_FOR = 7 * 86_400
"""Seconds for which an idempotency key is remembered."""


class UnknownCallbackError(LookupError):
    """No callback of that name is registered for this client."""


_REFUSALS = (UnknownTopicError, MissingScopeError, UnknownCallbackError, KeyReusedError, TooManyFollowUpsError)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the token's `sub`, the topics that it may ask on (None: all of them), and how to trace the call.

    `correlation_id` is the call's `X-Request-ID`, `traceparent` that of W3C Trace Context.
    """

    client: str
    topics: frozenset[str] | None = None
    correlation_id: str | None = None
    traceparent: str | None = None


class Intake:
    """Accepts requests, and counts and times them; `routing` gives the routing file in force."""

    def __init__(self, store: Store, routing: Callable[[], Routing], clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._routing = routing
        self._clock = clock
        self._metrics = metrics

    async def accept(self, ask: Ask, caller: Caller, key: tuple[str, bytes] | None = None) -> Accepted:
        """Store a request, or what the customer adds to an open one, with the deliveries that it owes.

        Args:
            ask: what the bot sent.
            caller: who it is, with its rights.
            key: the idempotency key and the fingerprint of the body.

        Raises:
            UnknownTopicError, UnknownCallbackError: the routing file does not have it.
            MissingScopeError: the caller may not ask on this topic.
            KeyReusedError: the key was used with another body.
            TooManyFollowUpsError: its conversation has all it may have.
            StoreUnavailableError: it was not stored.
        """
        # Cardinality: counted under any name that a caller sends, the metric would have as many series as callers like.
        started, counted_as = self._clock.monotonic(), "unknown"
        try:
            topic = self._routing().known_topic(ask.topic, caller.topics)
            if caller.topics is not None and topic.name not in caller.topics:
                raise MissingScopeError(f"{REQUEST}:{topic.name}")
            counted_as = topic.name
            accepted = await self._accept(ask, topic, caller, key)
        except _REFUSALS:
            self._metrics.request(counted_as, "refused")
            raise
        self._metrics.request(topic.name, accepted.how)
        self._metrics.accepted(self._clock.monotonic() - started)
        return accepted

    async def _accept(self, ask: Ask, topic: Topic, caller: Caller, key: tuple[str, bytes] | None) -> Accepted:
        routing, now = self._routing(), self._clock.now()
        _check_callback(routing, ask.callback, caller.client)
        request = self._request(ask, topic, caller, now)
        return await self._store.accept(
            NewRequest(
                request,
                plan(topic, request.id, now, routing.channels),
                lambda stored, notices: answer(stored, notices, ask.ignored()),
                IdempotencyKey(*key, now + KEPT_FOR) if key else None,
            )
        )

    def _request(self, ask: Ask, topic: Topic, caller: Caller, now: float) -> AssistanceRequest:
        return AssistanceRequest(
            id=uuid7(now),
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


class AcceptedRequest(RequestAnswer):
    """The request as it was accepted; `ignored` are the fields of the body that are not known."""

    ignored: list[str]


def answer(request: AssistanceRequest, deliveries: Sequence[Delivery], ignored: list[str]) -> bytes:
    """The body of the answer: an AcceptedRequest."""
    accepted: AcceptedRequest = {**represent(request, deliveries), "ignored": ignored}
    return to_json(accepted)
