"""`assistance channels` and `assistance channels test`."""

from collections.abc import Iterable

import typer

from assistance.cli.failure import FailedError, plain
from assistance.cli.service import Service, answers
from assistance.cli.tokens import find_token
from assistance.cli.variables import read_variables
from assistance.model import Outcome
from assistance.outgoing import Http

_SCOPE = "manage-assistance"


async def show_health(url: str, token: str | None) -> None:
    """Print each channel's health, as the service at `url` knows it or, with none running, the store.

    Raises:
        FailedError: neither can be asked.
    """
    variables = read_variables()
    async with Http() as http:
        if await answers(url, http):
            service = Service(url, await find_token(token, url, _SCOPE, variables, http), http)
            found = (await service.get("/-/channels"))["data"]
        else:
            from assistance.cli.channels_here import stored_health  # noqa: PLC0415 - see `channels_here`

            found = await stored_health(variables, url)
    width = max((len(channel["channel"]) for channel in found), default=0)
    for channel in found:
        until = f", until {channel['until']}" if channel["until"] else ""
        reason = f" ({channel['reason']}{until})" if channel["reason"] else ""
        typer.echo(plain(f"{channel['channel']:{width}}  {channel['type']}  {channel['health']}{reason}"))


async def send_test(name: str, url: str, token: str | None) -> None:
    """Send one marked test message through the channel `name` and print what became of it.

    Raises:
        FailedError: it was not delivered, and why.
    """
    variables = read_variables()
    async with Http() as http:
        if await answers(url, http):
            service = Service(url, await find_token(token, url, _SCOPE, variables, http), http)
            known(name, await names(service))
            made = await service.post(f"/-/channels/{name}/test")
        else:
            from assistance.cli.channels_here import test_from_here  # noqa: PLC0415 - see `channels_here`

            made = await test_from_here(name, variables, url, http)
    if made["outcome"] != Outcome.DELIVERED:
        told = [str(made[part]) for part in ("reason", "code", "answer") if made[part]]
        raise FailedError(f"{name}: not delivered: {', '.join(told)}")
    typer.echo(f"{name}: delivered in {made['seconds']:.3f} s")


async def names(service: Service) -> list[str]:
    """The channels of a running service. Raises FailedError."""
    return [channel["channel"] for channel in (await service.get("/-/channels"))["data"]]


def known(name: str, among: Iterable[str]) -> None:
    """Raises FailedError, which names those that there are, where `name` is not `among` them."""
    there = sorted(among)
    if name not in there:
        raise FailedError(f"unknown channel {name}; there are: {', '.join(there) or 'none'}")
