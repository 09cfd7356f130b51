"""For operators: deliveries with their tries, what is stuck, and sending it again."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from assistance.access.callers import Here, Manager, actor_of, manager
from assistance.access.json_body import described, read_json, validate
from assistance.api.openapi import documented
from assistance.api.parameters import (
    DeliveryKey,
    Limit,
    Moment,
    Name,
    RequestId,
    json_answer,
    page_answer,
    parse_key,
)
from assistance.desk import MOST_REPLAYED, Replayed
from assistance.model import Attempt, Delivery, Kind, Outcome, State, rfc3339, rfc3339_or_none
from assistance.routing import parse_moment
from assistance.store import AGAIN, STUCK, DeliveryFilter, NotFoundError, Owed

routes = APIRouter(tags=["operation"], dependencies=[Depends(manager)])


def _sendable(value: State) -> State:
    if value not in AGAIN:
        raise PydanticCustomError("assistance", "must be failed, parked, retrying or skipped")
    return value


_SELECTORS = ("ids", "channel", "since", "state")
_GIVEN: dict[str, Any] = {
    "anyOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in _SELECTORS]
}


class Replay(BaseModel):
    """Which deliveries to send again: those that fit everything that is given; one thing at least must be."""

    # A name that is misspelt, `dryRun` for one, must not send everything.
    model_config = ConfigDict(json_schema_extra=_GIVEN, extra="forbid")

    ids: Annotated[
        list[DeliveryKey] | None,
        Field(min_length=1, max_length=MOST_REPLAYED, description="Ids of requests, or of deliveries: REQUEST.N."),
    ] = None
    channel: Name | None = None
    state: Annotated[State, AfterValidator(_sendable), Field(json_schema_extra={"enum": sorted(AGAIN)})] = State.FAILED
    since: Annotated[Moment | None, Field(description="Only of requests accepted since then.")] = None
    dry_run: Annotated[StrictBool, Field(description="Say what would be sent again, and leave it.")] = False

    @model_validator(mode="after")
    def _selects(self) -> "Replay":
        if not any((self.ids, self.channel is not None, self.since, "state" in self.model_fields_set)):
            raise PydanticCustomError("assistance", "must have ids, channel, state or since")
        return self

    def selection(self) -> DeliveryFilter:
        """The deliveries that fit."""
        named = [parse_key(each) for each in self.ids or ()]
        return DeliveryFilter(
            MOST_REPLAYED,
            frozenset({self.state}),
            self.channel,
            None if self.since is None else parse_moment(self.since),
            None if self.ids is None else frozenset(request_id for request_id, n in named if n is None),
            None if self.ids is None else frozenset((request_id, n) for request_id, n in named if n is not None),
        )


class OwedAnswer(TypedDict):
    """A delivery of any request; `id` is what `/-/replay` takes.

    `created_at` is when the request was accepted; the channel's `retry_for` counts from `owed_since`.
    """

    id: str
    request_id: str
    n: int
    channel: str
    kind: Kind
    state: State
    attempts: int
    last_error: str | None
    next_attempt_at: str | None
    created_at: str
    owed_since: str


class OwedPage(TypedDict):
    """A page of deliveries, those of the newest request first."""

    data: list[OwedAnswer]
    next_cursor: str | None


class TryAnswer(TypedDict):
    """One try to deliver; `seconds` is how long it took, `answer` the start of the provider's, redacted."""

    at: str
    seconds: float
    outcome: Outcome
    reason: str | None
    code: str | None
    answer: str | None


class DeliveryAnswer(TypedDict):
    """One message owed to one channel, with its tries."""

    n: int
    channel: str
    kind: Kind
    state: State
    tries: list[TryAnswer]
    next_attempt_at: str | None


class DeliveryList(TypedDict):
    """Everything owed for a request."""

    data: list[DeliveryAnswer]


@routes.get(
    "/-/deliveries",
    response_model=None,
    responses=documented(401, 403, 422, 503, ok=OwedPage, headers={200: ["Link"]}),
)
async def stuck(
    request: Request,
    services: Here,
    *,
    state: State | None = None,
    channel: Name | None = None,
    since: Moment | None = None,
    limit: Limit = 50,
    cursor: Annotated[DeliveryKey | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """What is stuck, the newest request first: failed, parked and retrying deliveries, or those of one state."""
    last, n = (None, None) if cursor is None else parse_key(cursor)
    selection = DeliveryFilter(
        limit + 1,
        STUCK if state is None else frozenset({state}),
        channel,
        None if since is None else parse_moment(since),
        after=None if last is None else (last, n or 0),
    )
    found = await services.store.deliveries(selection)
    following = found[limit - 1].delivery.key if len(found) > limit else None
    return page_answer(request, [_owed(each) for each in found[:limit]], following)


@routes.post(
    "/-/replay",
    response_model=None,
    openapi_extra=described(Replay),
    responses=documented(400, 401, 403, 415, 422, 503, ok=Replayed),
)
async def replay(request: Request, principal: Manager, services: Here) -> Response:
    """Send deliveries again, the oldest first, a thousand at most; `more` says whether to ask again."""
    body = validate(Replay, await read_json(request))
    return json_answer(await services.desk.replay(body.selection(), actor_of(principal), dry_run=body.dry_run))


@routes.get(
    "/assistance/{request_id}/deliveries",
    response_model=None,
    responses=documented(401, 403, 404, 503, ok=DeliveryList),
)
async def deliveries(request_id: RequestId, services: Here) -> Response:
    """Everything owed for a request, with every try."""
    found = await services.store.tries(request_id)
    if not found:
        raise NotFoundError(request_id)
    return json_answer({"data": [_delivery(*each) for each in found]})


@routes.post(
    "/assistance/{request_id}/deliveries/{n}/retry",
    response_model=None,
    responses=documented(401, 403, 404, 409, 422, 503, ok=DeliveryAnswer),
)
async def retry(
    request_id: RequestId, n: Annotated[int, Path(ge=1, le=32_767)], principal: Manager, services: Here
) -> Response:
    """Send one delivery again, now, with its old key; a failed request is accepted anew."""
    return json_answer(_delivery(*await services.desk.retry(request_id, n, actor_of(principal))))


def _delivery(delivery: Delivery, tries: Sequence[Attempt]) -> DeliveryAnswer:
    return {
        "n": delivery.n,
        "channel": delivery.channel,
        "kind": delivery.kind,
        "state": delivery.state,
        "tries": [try_answer(each) for each in tries],
        "next_attempt_at": rfc3339_or_none(delivery.next_attempt_at),
    }


def try_answer(attempt: Attempt) -> TryAnswer:
    """The try, ready for JSON."""
    return {
        "at": rfc3339(attempt.at),
        "seconds": round(attempt.seconds, 3),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "code": attempt.code,
        "answer": attempt.answer,
    }


def _owed(owed: Owed) -> OwedAnswer:
    delivery = owed.delivery
    return {
        "id": delivery.key,
        "request_id": delivery.request_id,
        "n": delivery.n,
        "channel": delivery.channel,
        "kind": delivery.kind,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "last_error": delivery.last_error,
        "next_attempt_at": rfc3339_or_none(delivery.next_attempt_at),
        "created_at": rfc3339(owed.created_at),
        "owed_since": rfc3339(delivery.owed_since),
    }
