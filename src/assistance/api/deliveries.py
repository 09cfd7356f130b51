"""For operators: what is stuck, and sending it again."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError, to_json

from assistance.access.callers import Here, Manager, actor_of, manager
from assistance.access.json_body import described, read_json, validate
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import DeliveryAnswer, OwedPage
from assistance.api.operations import delivery_shown
from assistance.api.paging import DeliveryCursor, delivery_cursor, next_link, read_delivery_cursor
from assistance.api.parameters import Moment, Name
from assistance.api.requests import RequestId
from assistance.desk import MOST_REPLAYED, Replayed
from assistance.model import State, rfc3339, rfc3339_or_none
from assistance.routing import parse_moment
from assistance.store import AGAIN, STUCK, DeliveryFilter, Owed

_KEY = re.compile(r"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:\.([1-9][0-9]{0,4}))?")

routes = APIRouter(tags=["operation"], dependencies=[Depends(manager)])


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise PydanticCustomError("assistance", "must be the id of a request, or of a delivery: REQUEST.N")
    return value.lower()


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
        list[Annotated[str, AfterValidator(_key), Field(json_schema_extra={"pattern": f"^{_KEY.pattern}$"})]] | None,
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
        named = [match.groups() for each in self.ids or () if (match := _KEY.fullmatch(each))]
        return DeliveryFilter(
            MOST_REPLAYED,
            frozenset({self.state}),
            self.channel,
            None if self.since is None else parse_moment(self.since),
            None if self.ids is None else frozenset(request_id for request_id, n in named if n is None),
            None if self.ids is None else frozenset((request_id, int(n)) for request_id, n in named if n is not None),
        )


@routes.get(
    "/-/deliveries", response_model=None, responses=documented(401, 403, 422, 503, ok=OwedPage, tells={200: ["Link"]})
)
async def stuck(
    request: Request,
    services: Here,
    *,
    state: State | None = None,
    channel: Name | None = None,
    since: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: DeliveryCursor = None,
) -> Response:
    """What is stuck, the newest request first: failed, parked and retrying deliveries, or those of one state."""
    selection = DeliveryFilter(
        limit + 1,
        STUCK if state is None else frozenset({state}),
        channel,
        None if since is None else parse_moment(since),
        after=read_delivery_cursor(cursor),
    )
    found = await services.store.deliveries(selection)
    last = found[limit - 1].delivery if len(found) > limit else None
    following = delivery_cursor(last.request_id, last.n) if last else None
    headers = {"Link": next_link(request, following)} if following else {}
    body = {"data": [owed_shown(each) for each in found[:limit]], "next_cursor": following}
    return Response(to_json(body), 200, headers, "application/json")


@routes.post(
    "/-/replay",
    response_model=None,
    openapi_extra=described(Replay),
    responses=documented(400, 401, 403, 415, 422, 503, ok=Replayed),
)
async def replay(request: Request, principal: Manager, services: Here) -> Response:
    """Send deliveries again, the oldest first, a thousand at most; `more` says whether to ask again."""
    wanted = validate(Replay, await read_json(request))
    sent = await services.desk.replay(wanted.selection(), actor_of(principal), dry_run=wanted.dry_run)
    return Response(to_json(sent), media_type="application/json")


@routes.post(
    "/assistance/{request_id}/deliveries/{n}/retry",
    response_model=None,
    responses=documented(401, 403, 404, 409, 422, 503, ok=DeliveryAnswer),
)
async def retry(
    request_id: RequestId, n: Annotated[int, Path(ge=1, le=32_767)], principal: Manager, services: Here
) -> Response:
    """Send one delivery again, now, with its old key; a failed request is accepted anew."""
    retried = await services.desk.retry(request_id, n, actor_of(principal))
    return Response(to_json(delivery_shown(*retried)), media_type="application/json")


def owed_shown(owed: Owed) -> dict[str, Any]:
    """A delivery of whatever request, ready for JSON."""
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
