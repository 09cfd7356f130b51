"""`assistance channels` and `assistance channels test`."""

from collections.abc import Mapping
from typing import Any

import typer

from assistance.app.health import Health
from assistance.cli.failure import FailedError, plain
from assistance.cli.service import Service, answers
from assistance.cli.tokens import find_token
from assistance.cli.variables import database_url, read_routing, read_variables, routing_file
from assistance.dispatch import try_channel
from assistance.model import Outcome, SystemClock
from assistance.outgoing import Http
from assistance.routing import LiveRouting
from assistance.store import StoreRefusedError, open_store
from assistance.telemetry import set_up_logging

_SCOPE = "manage-assistance"


async def show_health(url: str, token: str | None) -> None:
    """Print each channel's health, as the service at `url` knows it or, with none running, the store.

    Raises:
        FailedError: neither can be asked.
    """
    variables = read_variables()
    async with Http() as http:
        if await answers(url, http):
            secret = await find_token(token, url, _SCOPE, variables, http)
            found = (await Service(url, secret, http).get("/-/channels"))["data"]
        else:
            found = await _stored_health(variables, url)
    width = max((len(channel["channel"]) for channel in found), default=0)
    for channel in found:
        until = f", until {channel['until']}" if channel["until"] else ""
        reason = f" ({channel['reason']}{until})" if channel["reason"] else ""
        typer.echo(plain(f"{channel['channel']:{width}}  {channel['type']}  {channel['health']}{reason}"))


async def _stored_health(variables: Mapping[str, str], url: str) -> list[dict[str, Any]]:
    read_routing(variables)
    clock = SystemClock()
    routing = LiveRouting(routing_file(variables), variables, clock=clock)
    try:
        store = open_store(database_url(variables))
    except StoreRefusedError as error:
        raise FailedError(f"no service answers at {url}, and {error}; --url says where the service is") from None
    typer.echo(f"no service answers at {url}: this is what the store remembers")
    try:
        return await Health(store, clock, None, routing, accepts=False).channels()
    finally:
        store.close()


async def send_test(name: str, url: str, token: str | None) -> None:
    """Send one marked test message through the channel `name` and print what became of it.

    Raises:
        FailedError: it was not delivered, and why.
    """
    variables = read_variables()
    async with Http() as http:
        if await answers(url, http):
            secret = await find_token(token, url, _SCOPE, variables, http)
            service = Service(url, secret, http)
            _known(name, [channel["channel"] for channel in (await service.get("/-/channels"))["data"]])
            made = await service.post(f"/-/channels/{name}/test")
        else:
            made = await _test_from_here(name, variables, url, http)
    if made["outcome"] != Outcome.DELIVERED:
        told = [str(made[part]) for part in ("reason", "code", "answer") if made[part]]
        raise FailedError(f"{name}: not delivered: {', '.join(told)}")
    typer.echo(f"{name}: delivered in {made['seconds']:.3f} s")


def _known(name: str, names: list[str]) -> None:
    if name not in names:
        raise FailedError(f"unknown channel {name}; there are: {', '.join(sorted(names)) or 'none'}")


async def _test_from_here(name: str, variables: Mapping[str, str], url: str, http: Http) -> dict[str, Any]:
    channels = read_routing(variables).channels
    _known(name, list(channels))
    typer.echo(f"no service answers at {url}: the message goes out from here")
    logs = set_up_logging(form="console", level="info", fd=2)
    try:
        made = await try_channel(channels[name], name, http, SystemClock())
    finally:
        logs.close()
    return {part: getattr(made, part) for part in ("outcome", "seconds", "reason", "code", "answer")}
