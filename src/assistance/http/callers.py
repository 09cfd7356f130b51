"""Who may call an endpoint stands in its signature: `principal: Manager`."""

from typing import Annotated

from fastapi import Depends, Request

from assistance.http.access import forbidden
from assistance.http.services import Services
from assistance.security import Principal
from assistance.security.scopes import MANAGE, PING, READ, REQUEST, WORK, may_manage, may_read_all, may_work, topics_for


async def services_of(request: Request) -> Services:
    """The rooms behind the application that got the request."""
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]
"""The rooms behind the endpoint."""


async def anyone(request: Request, services: Here) -> Principal:
    """Whoever has a valid token."""
    return await services.access.anyone(request)


Anyone = Annotated[Principal, Depends(anyone)]
"""Whoever has a valid token."""


async def pinger(principal: Anyone) -> Principal:
    """Whoever has the scope `ping`."""
    if PING not in principal.scopes:
        raise forbidden(PING)
    return principal


async def requester(principal: Anyone) -> Principal:
    """Whoever may ask for assistance, on one topic at least."""
    if topics_for(principal) == frozenset():
        raise forbidden(REQUEST)
    return principal


async def reader(principal: Anyone) -> Principal:
    """Whoever may look at requests: at their own, or at all of them."""
    if topics_for(principal) == frozenset() and not may_read_all(principal):
        raise forbidden(READ)
    return principal


async def worker(principal: Anyone) -> Principal:
    """Whoever may take requests."""
    if not may_work(principal):
        raise forbidden(WORK)
    return principal


async def manager(principal: Anyone) -> Principal:
    """Whoever may operate the service."""
    if not may_manage(principal):
        raise forbidden(MANAGE)
    return principal


Requester = Annotated[Principal, Depends(requester)]
Reader = Annotated[Principal, Depends(reader)]
Worker = Annotated[Principal, Depends(worker)]
Manager = Annotated[Principal, Depends(manager)]
