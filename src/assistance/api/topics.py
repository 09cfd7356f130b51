"""`GET /topics`: what a bot may ask for."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic_core import to_json

from assistance.access.callers import Anyone, Here
from assistance.api.openapi.responses import documented
from assistance.api.openapi.schemas import TopicList
from assistance.model import rfc3339_or_none
from assistance.routing import Topic, expected_response
from assistance.security.tokens.scopes import may_read_all, topics_for

routes = APIRouter(tags=["assistance"])


@routes.get("/topics", response_model=None, responses=documented(401, 503, ok=TopicList))
async def topics(principal: Anyone, services: Here) -> Response:
    """The topics that this token may use, with their hours as they are now."""
    allowed = None if may_read_all(principal) else topics_for(principal)
    now = services.clock.now()
    found = services.routing.current.topics.values()
    shown = [_topic(topic, now) for topic in found if allowed is None or topic.name in allowed]
    return Response(to_json({"data": shown}), media_type="application/json")


def _topic(topic: Topic, now: float) -> dict[str, Any]:
    return {
        "topic": topic.name,
        "title": topic.title,
        "description": topic.description,
        "open_now": topic.is_open(now),
        "next_open_at": rfc3339_or_none(topic.next_open_at(now)),
        "expected_response": rfc3339_or_none(expected_response(topic, now)),
    }
