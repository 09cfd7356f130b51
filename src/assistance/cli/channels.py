"""`assistance channels` and `assistance channels test`."""

import typer

from assistance.cli.failure import FailedError, plain
from assistance.cli.service import Service, connect
from assistance.model import Outcome


async def show_health(url: str, token: str | None) -> None:
    """Print each channel's health, a line each. Raises FailedError when the service at `url` gives no answer."""
    async with connect(url, token) as service:
        found = (await service.get("/-/channels"))["data"]
    width = max((len(channel["channel"]) for channel in found), default=0)
    for channel in found:
        until = f", until {channel['until']}" if channel["until"] else ""
        reason = f" ({channel['reason']}{until})" if channel["reason"] else ""
        typer.echo(plain(f"{channel['channel']:{width}}  {channel['type']}  {channel['health']}{reason}"))


async def send_test(name: str, url: str, token: str | None) -> None:
    """Send one marked test message through the channel `name` and print the outcome.

    Raises:
        FailedError: it was not delivered, and why.
    """
    async with connect(url, token) as service:
        await check_name(name, service)
        made = await service.post(f"/-/channels/{name}/test")
    if made["outcome"] != Outcome.DELIVERED:
        why = [str(made[part]) for part in ("reason", "code", "answer") if made[part]]
        raise FailedError(f"{name}: not delivered: {', '.join(why)}")
    typer.echo(f"{name}: delivered in {made['seconds']:.3f} s")


async def check_name(name: str, service: Service) -> None:
    """Raises FailedError, with the names that there are, when the service has no channel `name`."""
    names = sorted(channel["channel"] for channel in (await service.get("/-/channels"))["data"])
    if name not in names:
        raise FailedError(f"unknown channel {name}; there are: {', '.join(names) or 'none'}")
