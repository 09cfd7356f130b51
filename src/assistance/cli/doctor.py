"""`assistance doctor`: tries every leg that the service stands on, and tells nobody."""

import asyncio
import os
from collections.abc import AsyncIterator

import typer

from assistance.cli.failure import FailedError, one_line
from assistance.cli.legs import (
    FAILS,
    Leg,
    channel,
    collector,
    database,
    issuer,
    library,
    routing_leg,
    secrets,
    settings_leg,
)
from assistance.cli.variables import read_variables
from assistance.outgoing import Http


async def examine() -> None:
    """Print a line for each leg: `ok`, `FAIL`, or `--` for what there is nothing to try of.

    Raises:
        FailedError: naming the legs that fail.
    """
    failed = []
    async with Http() as http:
        async for leg in _legs(http):
            typer.echo(f"{leg.ended:4}  {leg.name}: {one_line(leg.text)}")
            failed += [leg.name] if leg.ended == FAILS else []
    if failed:
        raise FailedError(f"{len(failed)} failed: {', '.join(failed)}")


async def _legs(http: Http) -> AsyncIterator[Leg]:
    variables = read_variables()
    leg, settings = settings_leg(os.environ)
    yield leg
    leg, routing = routing_leg(variables)
    yield leg
    if routing is not None:
        yield secrets(routing)
    yield library()
    yield await asyncio.to_thread(database, variables)
    yield await issuer(settings, http)
    if routing is not None:
        probes = [channel(name, each, http) for name, each in routing.channels.items()]
        for leg in await asyncio.gather(*probes):
            yield leg
    for leg in await collector(variables):
        yield leg
