"""For operators: what is owed and why, the configuration, the channels."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from assistance.access.callers import Here, Manager, actor_of, manager
from assistance.access.json_body import described, read_json, validate
from assistance.api.openapi.fields import told
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import ChannelList, DeliveryList, TestAnswer
from assistance.api.parameters import Moment
from assistance.api.requests import RequestId
from assistance.intake import Urgency
from assistance.model import Attempt, Delivery, Priority, rfc3339, rfc3339_or_none
from assistance.routing import explain, parse_moment
from assistance.server.problems import Problem
from assistance.store import NotFoundError


class ExplainBody(BaseModel):
    """A request that nobody makes; `at` is an instant in ISO 8601, now by default."""

    topic: Annotated[str, Field(min_length=1)]
    at: Moment | None = None
    priority: Urgency = Priority.NORMAL


routes = APIRouter(tags=["operation"], dependencies=[Depends(manager)])


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
    return _json({"data": [delivery_shown(*each) for each in found]})


@routes.delete(
    "/assistance/{request_id}/content",
    status_code=204,
    responses=documented(401, 403, 404, 503, no_content=True),
)
async def erase(request_id: RequestId, principal: Manager, services: Here) -> Response:
    """Erase what the customer wrote, and what was answered, here and in channels that can."""
    await services.desk.erase(request_id, actor_of(principal))
    return Response(status_code=204)


@routes.post(
    "/-/explain",
    response_model=None,
    openapi_extra=described(ExplainBody),
    responses={
        **documented(400, 401, 403, 415, 422, 503),
        200: {"description": "The plan, with reasons.", "headers": told("X-Request-ID")},
    },
)
async def plan(request: Request, services: Here) -> Response:
    """The plan for such a request and why; sends nothing."""
    body = validate(ExplainBody, await read_json(request))
    routing = services.routing.current
    topic = routing.known_topic(body.topic)
    at = services.clock.now() if body.at is None else parse_moment(body.at)
    return _json(explain(routing, topic, at, body.priority).to_json())


@routes.post(
    "/-/reload",
    response_model=None,
    responses={
        **documented(401, 403, 409, 503),
        200: {"description": "The new routing file is in force.", "headers": told("X-Request-ID")},
    },
)
async def reload(services: Here) -> Response:
    """Read the routing file anew, all or nothing."""
    routing = await services.routing.reload("asked for")
    return _json({"topics": sorted(routing.topics), "warnings": [str(warning) for warning in routing.warnings]})


@routes.get(
    "/-/config",
    response_model=None,
    responses={
        **documented(401, 403, 503),
        200: {"description": "The routing file in force, without secrets.", "headers": told("X-Request-ID")},
    },
)
async def config(services: Here) -> Response:
    """The routing file in force, without secrets."""
    return _json(services.routing.current.public())


@routes.get("/-/channels", response_model=None, responses=documented(401, 403, 503, ok=ChannelList))
async def channels(services: Here) -> Response:
    """The health of each channel."""
    return _json({"data": await services.channel_health()})


@routes.post("/-/channels/{name}/test", response_model=None, responses=documented(401, 403, 404, 503, ok=TestAnswer))
async def test(name: str, services: Here) -> Response:
    """Send one marked test message through a channel, and say what became of it."""
    if name not in services.routing.current.channels:
        raise Problem(404, detail="There is no such channel.")
    return _json({"channel": name, **_try(await services.test_channel(name))})


def _json(value: Any) -> Response:
    return Response(to_json(value), media_type="application/json")


def delivery_shown(delivery: Delivery, tries: list[Attempt]) -> dict[str, Any]:
    """One delivery with its tries, ready for JSON."""
    return {
        "n": delivery.n,
        "channel": delivery.channel,
        "kind": delivery.kind,
        "state": delivery.state,
        "tries": [{"at": rfc3339(made.at), **_try(made)} for made in tries],
        "next_attempt_at": rfc3339_or_none(delivery.next_attempt_at),
    }


def _try(made: Attempt) -> dict[str, Any]:
    return {
        "seconds": round(made.seconds, 3),
        "outcome": made.outcome,
        "reason": made.reason,
        "code": made.code,
        "answer": made.answer,
    }
