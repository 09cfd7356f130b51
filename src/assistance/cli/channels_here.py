"""The health and the test of channels where no service runs.

This needs the store and the dispatcher; who asks a running service need not wait for them to be imported.
"""

from collections.abc import Mapping
from typing import Any

import typer

from assistance.cli.channels import known
from assistance.cli.stored import stored
from assistance.cli.variables import read_routing, routing_file
from assistance.dispatch import try_channel
from assistance.model import SystemClock
from assistance.outgoing import Http
from assistance.routing import LiveRouting
from assistance.telemetry import set_up_logging
from assistance.watch.health import Health


async def stored_health(variables: Mapping[str, str], url: str) -> list[dict[str, Any]]:
    """What the store remembers of each channel, as `GET /-/channels` has it.

    Raises:
        FailedError: the routing file or the store cannot be used.
    """
    read_routing(variables)
    clock = SystemClock()
    routing = LiveRouting(routing_file(variables), variables, clock=clock)
    with stored(variables, url, "this is what the store remembers") as store:
        return await Health(store, clock, None, routing, accepts=False).channels()


async def test_from_here(name: str, variables: Mapping[str, str], url: str, http: Http) -> dict[str, Any]:
    """Try the channel as the routing file has it; what became of it, as `POST /-/channels/{name}/test` says it.

    Raises:
        FailedError: there is no such channel, or the routing file cannot be used.
    """
    channels = read_routing(variables).channels
    known(name, channels)
    typer.echo(f"no service answers at {url}: the message goes out from here")
    logs = set_up_logging(form="console", level="info", fd=2)
    try:
        made = await try_channel(channels[name], name, http, SystemClock())
    finally:
        logs.close()
    return {part: getattr(made, part) for part in ("outcome", "seconds", "reason", "code", "answer")}
