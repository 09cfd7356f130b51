"""`GET /topics`: what a bot may ask for."""

from fastapi import APIRouter, Response
from typing_extensions import TypedDict

from assistance.access.callers import Anyone, Here
from assistance.api.openapi import documented
from assistance.api.parameters import json_answer
from assistance.model import rfc3339_or_none
from assistance.routing import Topic, expected_response
from assistance.security.tokens.scopes import may_read_all, topics_for

routes = APIRouter(tags=["assistance"])


class TopicAnswer(TypedDict):
    """What a bot may ask for."""

    topic: str
    title: str
    description: str
    open_now: bool
    next_open_at: str | None
    expected_response: str | None


class TopicList(TypedDict):
    """The topics that this token may use."""

    data: list[TopicAnswer]


@routes.get("/topics", response_model=None, responses=documented(401, 503, ok=TopicList))
async def topics(principal: Anyone, services: Here) -> Response:
    """The topics that this token may use, with their hours as they are now."""
    allowed = None if may_read_all(principal) else topics_for(principal)
    now = services.clock.now()
    found = services.routing.current.topics.values()
    return json_answer({"data": [_topic(each, now) for each in found if allowed is None or each.name in allowed]})


def _topic(topic: Topic, now: float) -> TopicAnswer:
    return {
        "topic": topic.name,
        "title": topic.title,
        "description": topic.description,
        "open_now": topic.is_open(now),
        "next_open_at": rfc3339_or_none(topic.next_open_at(now)),
        "expected_response": rfc3339_or_none(expected_response(topic, now)),
    }
