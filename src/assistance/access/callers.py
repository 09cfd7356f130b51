"""Who may call an endpoint, as its signature says (`principal: Manager`), and which requests a caller may see."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from assistance.access.services import Services
from assistance.intake import Caller
from assistance.model import Actor, EventType, Snapshot
from assistance.security import MissingScopeError, Principal
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


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


# Cost: each checks the token by itself, since a dependency of a dependency costs every call.


async def anyone(request: Request) -> Principal:
    """The caller, by a valid token of any scope."""
    services: Services = request.app.state.services
    return await services.access.anyone(request)


def _who(may: Callable[[Principal], bool], scope: str) -> Callable[[Request], Awaitable[Principal]]:
    """A check that the caller `may`; it raises MissingScopeError, naming `scope`, for one who may not."""

    async def check(request: Request) -> Principal:
        principal = await anyone(request)
        if not may(principal):
            raise MissingScopeError(scope)
        return principal

    return check


def _may_request(principal: Principal) -> bool:
    """Whether it may ask on one topic at least."""
    return topics_for(principal) != frozenset()


pinger = _who(lambda principal: PING in principal.scopes, PING)
requester = _who(_may_request, REQUEST)
reader = _who(lambda principal: _may_request(principal) or may_read_all(principal), READ)
worker = _who(may_work, WORK)
manager = _who(may_manage, MANAGE)

Here = Annotated[Services, Depends(_services)]
"""The rooms behind the endpoint."""
Anyone = Annotated[Principal, Depends(anyone)]
Requester = Annotated[Principal, Depends(requester)]
Reader = Annotated[Principal, Depends(reader)]
Worker = Annotated[Principal, Depends(worker)]
Manager = Annotated[Principal, Depends(manager)]


def actor_of(principal: Principal) -> Actor:
    """The caller as the time line names it: `api:desk`."""
    return Actor.of_client(principal.subject)


def caller_of(principal: Principal, request: Request) -> Caller:
    """The caller with its rights, for the intake."""
    request_id = request.scope["state"]["request_id"]
    return Caller(principal.subject, topics_for(principal), request_id, traceparent(request.headers))


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
