"""The rooms of one process, opened in order and closed in reverse."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI

from assistance import __version__
from assistance.access.access import Access
from assistance.access.limits import RateLimit
from assistance.access.services import Services
from assistance.access.waiting import Waiters
from assistance.api.app import build_api
from assistance.app import development
from assistance.desk import Desk
from assistance.dispatch import Dispatcher, try_channel
from assistance.intake import Intake
from assistance.model import Attempt, Clock, SteadyClock, SystemClock, uuid7
from assistance.outgoing import Http
from assistance.routing import LiveRouting, parse_hours
from assistance.security import Jwks, KeySource, TokenVerifier
from assistance.security.tokens.jwks import MAX_BYTES, PATIENCE
from assistance.settings import Settings
from assistance.store import Store, open_store
from assistance.telemetry import Metrics, Tracing, set_up_metrics, set_up_tracing
from assistance.watch import Auditor, BacklogWatch
from assistance.watch.gauges import watch
from assistance.watch.health import Health

if TYPE_CHECKING:
    from assistance.sandbox import Sandbox

log = structlog.get_logger(__name__)


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    API = "api"
    DISPATCHER = "dispatcher"


@dataclass(slots=True)
class House:
    """What `running` starts and stops. `sandbox` is there in development mode, `dispatcher` where it dispatches."""

    settings: Settings
    clock: SteadyClock
    routing: LiveRouting
    store: Store
    http: Http
    jwks: Jwks
    desk: Desk
    metrics: Metrics
    tracing: Tracing
    health: Health
    waiting: Waiters
    dispatcher: Dispatcher | None
    backlog: BacklogWatch
    auditor: Auditor
    sandbox: "Sandbox | None"
    api: FastAPI = field(init=False)


@asynccontextmanager
async def open_house(
    settings: Settings, *, dev: bool, role: Role = Role.ALL, clock: Clock | None = None
) -> AsyncIterator[House]:
    """Open every room; nothing runs yet and nothing is served.

    Raises:
        RoutingError, StoreRefusedError: the routing file, or the database, cannot be used.
    """
    clock = SteadyClock(clock or SystemClock())
    async with AsyncExitStack() as opened:
        sandbox = await opened.enter_async_context(development.sandbox(settings.environ)) if dev else None
        routing = _routing(settings, sandbox, clock.machine)
        metrics, tracing = _telemetry(settings, opened)
        database = settings.database_url.get_secret_value()
        store = open_store(database, metrics.committed, tracing.tracer("assistance.store"))
        # Event loop: closing waits for the database, and a second SIGTERM must be handled meanwhile.
        opened.push_async_callback(asyncio.to_thread, store.close)
        http = await opened.enter_async_context(Http(tracing=tracing.provider))
        dispatcher = None if role is Role.API else _dispatcher(store, http, clock, metrics, tracing)
        waiting = Waiters(store, settings.max_concurrency)
        house = House(
            settings=settings,
            clock=clock,
            routing=routing,
            store=store,
            http=http,
            jwks=_jwks(settings, http, clock.machine, metrics, dev=dev),
            desk=Desk(store, clock, lambda: routing.current, dispatcher, metrics=metrics, waiting=waiting),
            metrics=metrics,
            tracing=tracing,
            health=Health(store, clock, dispatcher, routing, accepts=role is not Role.DISPATCHER),
            waiting=waiting,
            dispatcher=dispatcher,
            backlog=_backlog(store, clock, routing),
            auditor=_auditor(store, clock, routing),
            sandbox=sandbox,
        )
        watch(metrics, house.backlog, house.auditor, dispatcher)
        house.api = _api(house, role=role)
        yield house


def _telemetry(settings: Settings, opened: AsyncExitStack) -> tuple[Metrics, Tracing]:
    metrics = set_up_metrics(settings.environ, __version__)
    tracing = set_up_tracing(settings.environ, __version__)
    for shutdown in (tracing.shutdown, metrics.shutdown):
        opened.push_async_callback(asyncio.to_thread, shutdown)
    return metrics, tracing


def _routing(settings: Settings, sandbox: "Sandbox | None", clock: Clock) -> LiveRouting:
    if sandbox is None:
        return LiveRouting(settings.config, settings.environ, clock=clock)
    environ = sandbox.environ(settings.environ)
    return LiveRouting(settings.config, environ, redirect=sandbox.redirect, clock=clock)


def _dispatcher(store: Store, http: Http, clock: Clock, metrics: Metrics, tracing: Tracing) -> Dispatcher:
    return Dispatcher(
        store,
        http,
        clock,
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid7(clock.now())}",
        jitter=random.uniform,
        is_open=_is_open,
        metrics=metrics,
        tracer=tracing.tracer("assistance.dispatch"),
    )


def _is_open(hours: str, at: float) -> bool:
    """Whether stored hours are open at `at`; always when they cannot be read, because their zone is gone, say."""
    try:
        return parse_hours(hours).is_open(at)
    except ValueError:
        log.exception("hours_not_understood", hours=hours)
        return True


def _backlog(store: Store, clock: Clock, routing: LiveRouting) -> BacklogWatch:
    return BacklogWatch(
        store, clock, channels=lambda: routing.current.channel_types, topics=lambda: routing.current.topics
    )


def _auditor(store: Store, clock: SteadyClock, routing: LiveRouting) -> Auditor:
    def pace(name: str) -> float | None:
        channel = routing.current.channels.get(name)
        return None if channel is None else channel.messages_per_second

    return Auditor(store, clock, pace=pace)


def _jwks(settings: Settings, http: Http, clock: Clock, metrics: Metrics, *, dev: bool) -> Jwks:
    async def get(url: str) -> bytes:
        return (await http.get(url, timeout=PATIENCE, cap=MAX_BYTES)).body

    def on_fetch(failure: str | None) -> None:
        metrics.keys_fetched(successful=failure is None)

    fetch = development.fetch_keys if dev else get
    url = f"{settings.oidc_issuer}/jwks.json" if dev else settings.oidc_jwks_url
    return Jwks(KeySource(fetch, settings.oidc_issuer, url), clock, on_fetch=on_fetch)


def _api(house: House, *, role: Role) -> FastAPI:
    settings, clock = house.settings, house.clock
    verifier = TokenVerifier(
        house.jwks,
        # Not the steady clock: the times in a token are the issuer's, and its machine's clock is set like ours.
        clock.machine,
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        algorithms=settings.oidc_algorithms,
    )
    services = Services(
        access=Access(
            verifier,
            RateLimit("client", settings.rate_limit, clock),
            RateLimit("address", settings.rate_limit_unauthenticated, clock),
        ),
        intake=Intake(house.store, lambda: house.routing.current, clock, house.metrics, house.dispatcher),
        desk=house.desk,
        store=house.store,
        waiting=house.waiting,
        routing=house.routing,
        metrics=house.metrics,
        clock=clock,
        not_ready=house.health.not_ready,
        channel_health=house.health.channels,
        test_channel=lambda name: _test_channel(house, name),
    )
    more = development.routers(house.sandbox) if house.sandbox else []
    return build_api(
        services,
        accepts=role is not Role.DISPATCHER,
        more=more,
        max_concurrency=settings.max_concurrency,
        trusted_proxies=settings.trusted_proxies,
        tracer_provider=house.tracing.provider,
    )


async def _test_channel(house: House, name: str) -> Attempt:
    made = await try_channel(house.routing.current.channels[name], name, house.http, house.clock)
    if made.reason is None:
        await house.desk.try_parked(name)
    return made
