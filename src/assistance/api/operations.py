"""For operators: the plan for a request, the routing file, the channels."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from assistance.access.callers import Here, manager
from assistance.access.json_body import described, read_json, validate
from assistance.api.openapi import documented
from assistance.api.parameters import Moment, json_answer
from assistance.intake import Urgency
from assistance.model import Outcome, Priority
from assistance.routing import explain, parse_moment
from assistance.server.problems import Problem
from assistance.watch.health import ChannelAnswer

routes = APIRouter(prefix="/-", tags=["operation"], dependencies=[Depends(manager)])


class ExplainBody(BaseModel):
    """A request that is not made; `at` is when it would be, now by default."""

    topic: Annotated[str, Field(min_length=1)]
    at: Moment | None = None
    priority: Urgency = Priority.NORMAL


class Reloaded(TypedDict):
    """The routing file in force."""

    topics: list[str]
    warnings: list[str]


class ChannelList(TypedDict):
    """The health of every channel."""

    data: list[ChannelAnswer]


class TestAnswer(TypedDict):
    """How the test message went: `seconds` is how long it took, `answer` the start of the provider's, redacted."""

    channel: str
    seconds: float
    outcome: Outcome
    reason: str | None
    code: str | None
    answer: str | None


@routes.post(
    "/explain",
    response_model=None,
    openapi_extra=described(ExplainBody),
    responses=documented(400, 401, 403, 415, 422, 503, ok=dict[str, Any]),
)
async def plan(request: Request, services: Here) -> Response:
    """The plan for such a request and why; sends nothing."""
    body = validate(ExplainBody, await read_json(request))
    routing = services.routing.current
    at = services.clock.now() if body.at is None else parse_moment(body.at)
    return json_answer(explain(routing, routing.known_topic(body.topic), at, body.priority).to_json())


@routes.post("/reload", response_model=None, responses=documented(401, 403, 409, 503, ok=Reloaded))
async def reload(services: Here) -> Response:
    """Read the routing file anew, all or nothing."""
    routing = await services.routing.reload("asked for")
    reloaded: Reloaded = {"topics": sorted(routing.topics), "warnings": [str(each) for each in routing.warnings]}
    return json_answer(reloaded)


@routes.get("/config", response_model=None, responses=documented(401, 403, 503, ok=dict[str, Any]))
async def config(services: Here) -> Response:
    """The routing file in force, without secrets."""
    return json_answer(services.routing.current.public())


@routes.get("/channels", response_model=None, responses=documented(401, 403, 503, ok=ChannelList))
async def channels(services: Here) -> Response:
    """The health of each channel."""
    return json_answer({"data": await services.channel_health()})


@routes.post("/channels/{name}/test", response_model=None, responses=documented(401, 403, 404, 503, ok=TestAnswer))
async def test(name: str, services: Here) -> Response:
    """Send one marked test message through a channel, and answer how it went."""
    if name not in services.routing.current.channels:
        raise Problem(404, detail="There is no such channel.")
    attempt = await services.test_channel(name)
    answer: TestAnswer = {
        "channel": name,
        "seconds": round(attempt.seconds, 3),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "code": attempt.code,
        "answer": attempt.answer,
    }
    return json_answer(answer)
