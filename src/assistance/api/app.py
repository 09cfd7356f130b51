"""The API as one application: routes, problems and the layers around them."""

from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from assistance import __version__
from assistance.access.refusals import add_refusal_handlers, problem_of
from assistance.access.services import Services
from assistance.api import ask, deliveries, docs, events, health, operations, requests, topics, work
from assistance.api.openapi import describe
from assistance.intake import Ask
from assistance.model import Clock
from assistance.server.envelope import Envelope, ShortCut
from assistance.server.problems import add_problem_handlers
from assistance.server.spans import Discreet, untraced

_DESCRIPTION = """When a customer asks a bot for a person, the bot makes one call: `POST /assistance`.

Every error is a problem document (RFC 9457). Each path answers with and without a slash at its end."""
_ROUTES = (ask, requests, events, work, operations, deliveries, topics)
_BODIES = (Ask, work.Words, work.Destination, operations.ExplainBody, deliveries.Replay)
"""What endpoints read by hand, for the OpenAPI document."""
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
        routers += [health.heartbeats, *(each.routes for each in _ROUTES), docs.routes, *more]
    for router in routers:
        app.include_router(router)
    add_problem_handlers(app)
    add_refusal_handlers(app)
    protect(
        app,
        services.clock,
        accepts=accepts,
        max_concurrency=max_concurrency,
        trusted_proxies=trusted_proxies,
        on_answer=services.metrics.answered,
        on_refusal=partial(ask.count_refusal, services.metrics),
    )
    describe(app, lambda: services.routing.current, _BODIES)
    return app


def _application(tracer_provider: TracerProvider | None, *, described: bool) -> FastAPI:
    return FastAPI(
        title="Assistance API",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redirect_slashes=False,
        redoc_url=None,
        docs_url=None,  # FastAPI's page loads its script from another host: see `docs`
        openapi_url="/openapi.json" if described else None,
        telemetry={
            **_TELEMETRY,
            "tracing": tracer_provider is not None,
            "tracer_provider": Discreet(tracer_provider) if tracer_provider else None,
        },
    )


def protect(
    app: FastAPI,
    clock: Clock,
    *,
    accepts: bool = True,
    max_concurrency: int,
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
    on_answer: Callable[[int | None], None] = lambda _status: None,
    on_refusal: Callable[[Scope], None] = lambda _scope: None,
) -> None:
    """Put our layer around `app`.

    It stands inside of FastAPI's own telemetry, so that what it logs belongs to the request's span, and outside of
    everything that is ours. `scope["state"]` then has `request_id`; authentication adds `client`, for the log. A
    process that `accepts` has the short cut.
    """
    app.add_middleware(
        Envelope,
        clock=clock,
        max_concurrency=max_concurrency,
        short_cut=ShortCut("/assistance", ask.ask) if accepts else None,
        problem_of=problem_of,
        on_answer=on_answer,
        on_refusal=on_refusal,
    )
    if trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(network) for network in trusted_proxies])
