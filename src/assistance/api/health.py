"""Signs of life, for bots (`/heartbeat`), for orchestrators (`/livez`, `/readyz`) and for Prometheus."""

import asyncio

from fastapi import APIRouter, Depends, Response

from assistance.access.callers import Here, anyone, pinger
from assistance.api.openapi.responses import documented
from assistance.server.problems import Problem
from assistance.telemetry import CONTENT_TYPE

routes = APIRouter(tags=["health"])
"""What every process answers."""

heartbeats = APIRouter(tags=["health"], prefix="/heartbeat")
"""With what a bot tries its token."""


@routes.get("/livez", status_code=204, responses=documented(no_content=True))
async def livez() -> Response:
    """The process answers; says nothing of the store or of others' services."""
    return Response(status_code=204)


@routes.get("/readyz", status_code=204, responses=documented(503, no_content=True))
async def readyz(services: Here) -> Response:
    """The process can do its work."""
    reasons = await services.not_ready()
    if reasons:
        raise Problem(503, "Not ready", "; ".join(reasons), type_="/problems/not-ready", headers={"Retry-After": "1"})
    return Response(status_code=204)


@routes.get("/metrics", response_model=None, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: Here) -> Response:
    """Everything that is counted, for Prometheus."""
    return Response(await asyncio.to_thread(services.metrics.text), headers={"Content-Type": CONTENT_TYPE})


@heartbeats.get("", status_code=204, responses=documented(no_content=True))
async def heartbeat() -> Response:
    """The service answers."""
    return Response(status_code=204)


@heartbeats.get(
    "/private", status_code=204, dependencies=[Depends(anyone)], responses=documented(401, 503, no_content=True)
)
async def private() -> Response:
    """The service takes the token."""
    return Response(status_code=204)


@heartbeats.get(
    "/scoped", status_code=204, dependencies=[Depends(pinger)], responses=documented(401, 403, 503, no_content=True)
)
async def scoped() -> Response:
    """The service takes the token and finds the scope `ping` in it."""
    return Response(status_code=204)
