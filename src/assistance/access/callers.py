"""Who may call an endpoint stands in its signature: `principal: Manager`."""

from typing import Annotated

from fastapi import Depends, Request

from assistance.access.access import forbidden
from assistance.access.services import Services
from assistance.intake import Caller
from assistance.model import Actor, EventType, Snapshot
from assistance.security import Principal
from assistance.security.tokens.scopes import (
    MANAGE,
    PING,
    READ,
    REQUEST,
    WORK,
    may_manage,
    may_read_all,
    may_request,
    may_work,
    topics_for,
)
from assistance.server.spans import traceparent
from assistance.store import NotFoundError


async def services_of(request: Request) -> Services:
    """The rooms behind the application that got the request."""
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]
"""The rooms behind the endpoint."""


def actor_of(principal: Principal) -> Actor:
    """The caller as the time line names it: `api:desk`."""
    return Actor.of_client(principal.subject)


def caller_of(principal: Principal, request: Request) -> Caller:
    """The caller with its rights, as the intake takes it."""
    request_id = request.scope["state"]["request_id"]
    return Caller(principal.subject, topics_for(principal), request_id, traceparent(request.headers))


# Each asks for the token itself instead of depending on `anyone`: a dependency of a dependency costs every call.


async def anyone(request: Request) -> Principal:
    """Whoever has a valid token."""
    services: Services = request.app.state.services
    return await services.access.anyone(request)


async def pinger(request: Request) -> Principal:
    """Whoever has the scope `ping`."""
    principal = await anyone(request)
    if PING not in principal.scopes:
        raise forbidden(PING)
    return principal


async def requester(request: Request) -> Principal:
    """Whoever may ask for assistance, on one topic at least."""
    principal = await anyone(request)
    if topics_for(principal) == frozenset():
        raise forbidden(REQUEST)
    return principal


async def reader(request: Request) -> Principal:
    """Whoever may look at requests: at their own, or at all of them."""
    principal = await anyone(request)
    if topics_for(principal) == frozenset() and not may_read_all(principal):
        raise forbidden(READ)
    return principal


async def worker(request: Request) -> Principal:
    """Whoever may take requests."""
    principal = await anyone(request)
    if not may_work(principal):
        raise forbidden(WORK)
    return principal


async def manager(request: Request) -> Principal:
    """Whoever may operate the service."""
    principal = await anyone(request)
    if not may_manage(principal):
        raise forbidden(MANAGE)
    return principal


Anyone = Annotated[Principal, Depends(anyone)]
Requester = Annotated[Principal, Depends(requester)]
Reader = Annotated[Principal, Depends(reader)]
Worker = Annotated[Principal, Depends(worker)]
Manager = Annotated[Principal, Depends(manager)]


async def visible(services: Services, request_id: str, principal: Principal) -> Snapshot:
    """The request, for who may read all or asked for it. Raises NotFoundError for what the caller may not see."""
    found = await services.store.get(request_id)
    if found is None or not (may_read_all(principal) or await _is_own(services, principal, found)):
        raise NotFoundError(request_id)
    return found


async def own(services: Services, request_id: str, principal: Principal) -> Snapshot:
    """The request, for the client that asked for it. Raises NotFoundError for that of another."""
    found = await services.store.get(request_id)
    if found is None or not await _is_own(services, principal, found):
        raise NotFoundError(request_id)
    return found


async def _is_own(services: Services, principal: Principal, found: Snapshot) -> bool:
    """Whether the caller asked for it, and may ask on its topic, or on one that it was on before it was rerouted."""
    request = found.request
    if request.client != principal.subject:
        return False
    if may_request(principal, request.topic):
        return True
    events = await services.store.time_line(request.id)
    return any(event.type is EventType.REROUTED and may_request(principal, event.data["from"]) for event in events)
