"""The API as one application: routes, problems and the layers around them."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from opentelemetry.trace import TracerProvider

from assistance import __version__
from assistance.http import asking, health, looking, operating, topics
from assistance.http.access import bearer
from assistance.http.json_body import components
from assistance.http.middleware import protect
from assistance.http.problems import add_problem_handlers
from assistance.http.schemas import ProblemAnswer
from assistance.http.services import Services
from assistance.intake import Ask

_DESCRIPTION = """When a customer asks a bot for a person, the bot makes one call: `POST /assistance`.

Every error is a problem document (RFC 9457). Each path answers with and without a slash at its end."""


def build_api(
    services: Services,
    *,
    accepts: bool,
    more: Sequence[APIRouter] = (),
    max_concurrency: int,
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
    tracer_provider: TracerProvider | None = None,
) -> FastAPI:
    """The application.

    Args:
        services: the rooms behind it.
        accepts: false for a process that only dispatches: it shows its health and nothing else.
        more: further routes, those of development mode.
        max_concurrency: requests at once; above it 503.
        trusted_proxies: whose `X-Forwarded-For` counts.
        tracer_provider: where spans go, None for nowhere.
    """
    app = FastAPI(
        title="Assistance API",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redirect_slashes=False,
        redoc_url=None,
        docs_url="/docs" if accepts else None,
        openapi_url="/openapi.json" if accepts else None,
        telemetry={
            "tracing": tracer_provider is not None,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "tracer_provider": tracer_provider,
        },
    )
    app.include_router(health.router(services))
    if accepts:
        _add_routes(app, services, more)
    add_problem_handlers(app)
    protect(app, services.clock, max_concurrency=max_concurrency, trusted_proxies=trusted_proxies)
    _complete_schema(app)
    return app


def _add_routes(app: FastAPI, services: Services, more: Sequence[APIRouter]) -> None:
    app.include_router(health.heartbeats(services))
    for room in (asking, looking, operating, topics):
        app.include_router(room.router(services), dependencies=[Depends(bearer)])
    for router in more:
        app.include_router(router)


def _complete_schema(app: FastAPI) -> None:
    """Put the bodies that are read by hand, and the problem document, into the OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            found = document.setdefault("components", {}).setdefault("schemas", {})
            found.update(components(Ask, operating.ExplainBody, ProblemAnswer))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
