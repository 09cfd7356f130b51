"""Signs of life, for bots (`/heartbeat`), for orchestrators (`/livez`, `/readyz`) and for Prometheus."""

import asyncio

from fastapi import APIRouter, Depends, Response

from assistance.http.problems import Problem
from assistance.http.responses import documented
from assistance.http.services import Services
from assistance.telemetry import CONTENT_TYPE


def router(services: Services) -> APIRouter:
    """The endpoints that every process has."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez", status_code=204, responses=documented(no_content=True))
    async def livez() -> None:
        """The process answers; says nothing of the store or of others' services."""

    @routes.get("/readyz", status_code=204, responses=documented(503, no_content=True))
    async def readyz() -> None:
        """The process can do its work."""
        reasons = await services.not_ready()
        if reasons:
            raise Problem(
                503, "Not ready", "; ".join(reasons), type_="/problems/not-ready", headers={"Retry-After": "1"}
            )

    @routes.get("/metrics", response_model=None, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Everything that is counted, for Prometheus."""
        return Response(await asyncio.to_thread(services.metrics.text), headers={"Content-Type": CONTENT_TYPE})

    return routes


def heartbeats(services: Services) -> APIRouter:
    """The endpoints with which a bot tries its token."""
    routes = APIRouter(tags=["health"], prefix="/heartbeat")

    @routes.get("", status_code=204, responses=documented(no_content=True))
    async def heartbeat() -> None:
        """The service answers."""

    @routes.get(
        "/private",
        status_code=204,
        dependencies=[Depends(services.access.anyone)],
        responses=documented(401, 503, no_content=True),
    )
    async def private() -> None:
        """The service takes the token."""

    @routes.get(
        "/scoped",
        status_code=204,
        dependencies=[Depends(services.access.pinger)],
        responses=documented(401, 403, 503, no_content=True),
    )
    async def scoped() -> None:
        """The service takes the token and finds the scope `ping` in it."""

    return routes
