"""Signs of life, for bots (`/heartbeat`), for orchestrators (`/livez`, `/readyz`) and for Prometheus."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from assistance.access.callers import Here, anyone, pinger
from assistance.api.openapi import documented
from assistance.server.problems import Problem
from assistance.telemetry import CONTENT_TYPE

routes = APIRouter(tags=["health"])
"""What every process answers."""

heartbeats = APIRouter(tags=["health"], prefix="/heartbeat")
"""For a bot that checks its token."""


class Health(BaseModel):
    """The body of a probe: many load balancers insist on 200, and show what it says."""

    status: Literal["ok", "ready"]


@routes.get("/livez", responses=documented(ok=Health))
async def livez() -> Health:
    """The process answers; says nothing about the store or other services."""
    return Health(status="ok")


@routes.get("/readyz", responses=documented(503, ok=Health))
async def readyz(services: Here) -> Health:
    """The configuration is loaded, the store can be written, the dispatcher runs: what this process needs."""
    reasons = await services.not_ready()
    if reasons:
        raise Problem(503, "Not ready", "; ".join(reasons), type_="/problems/not-ready", headers={"Retry-After": "1"})
    return Health(status="ready")


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
    """The token is valid."""
    return Response(status_code=204)


@heartbeats.get(
    "/scoped", status_code=204, dependencies=[Depends(pinger)], responses=documented(401, 403, 503, no_content=True)
)
async def scoped() -> Response:
    """The token is valid and has the scope `ping`."""
    return Response(status_code=204)
