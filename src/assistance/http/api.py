"""The API as one application: routes, problems and the layers around them."""

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider

from assistance import __version__
from assistance.http import adding, asking, docs, events, health, looking, operating, replaying, topics, working
from assistance.http.document import describe
from assistance.http.middleware import protect
from assistance.http.problems import add_problem_handlers, problem_response, store_unavailable
from assistance.http.services import Services
from assistance.http.spans import Discreet, untraced
from assistance.store import StoreUnavailableError

_DESCRIPTION = """When a customer asks a bot for a person, the bot makes one call: `POST /assistance`.

Every error is a problem document (RFC 9457). Each path answers with and without a slash at its end."""
_ROOMS = (asking, looking, adding, events, working, operating, replaying, topics)
_TELEMETRY: TelemetryConfig = {"metrics": False, "logs": False, "operation_spans": False, "exclude": untraced}


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
    app = _application(tracer_provider, described=accepts)
    app.state.services = services
    app.state.routers = routers = [health.routes]
    if accepts:
        routers += [health.heartbeats, *(room.routes for room in _ROOMS), docs.routes, *more]
    for router in routers:
        app.include_router(router)
    add_problem_handlers(app)
    app.add_exception_handler(StoreUnavailableError, _on_store_unavailable)
    protect(
        app,
        services.clock,
        accepts=accepts,
        max_concurrency=max_concurrency,
        trusted_proxies=trusted_proxies,
        on_answer=services.metrics.answered,
        on_refusal=partial(asking.count_refusal, services.metrics),
    )
    describe(app, lambda: services.routing.current)
    return app


def _application(tracer_provider: TracerProvider | None, *, described: bool) -> FastAPI:
    return FastAPI(
        title="Assistance API",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redirect_slashes=False,
        redoc_url=None,
        docs_url=None,  # FastAPI's page has its script from another network: see `docs`
        openapi_url="/openapi.json" if described else None,
        telemetry={
            **_TELEMETRY,
            "tracing": tracer_provider is not None,
            "tracer_provider": Discreet(tracer_provider) if tracer_provider else None,
        },
    )


async def _on_store_unavailable(request: Request, _error: Exception) -> Response:
    return problem_response(store_unavailable(), request.scope)
