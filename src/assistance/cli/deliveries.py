"""`assistance deliveries` and `assistance replay`."""

from typing import Any
from urllib.parse import urlencode

import typer

from assistance.cli.channels import check_name
from assistance.cli.failure import plain
from assistance.cli.service import connect

_PAGE = 200


async def show_deliveries(state: str | None, channel: str | None, url: str, token: str | None) -> None:
    """Print what is stuck, a delivery a line.

    Raises:
        FailedError: the service at `url` gives no answer, or has neither a delivery of `channel` nor such a channel.
    """
    given = (("state", state), ("channel", channel), ("limit", str(_PAGE)))
    query = {name: value for name, value in given if value is not None}
    found: list[dict[str, Any]] = []
    async with connect(url, token) as service:
        while True:
            page = await service.get(f"/-/deliveries?{urlencode(query)}")
            found += page["data"]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        if channel is not None and not found:
            await check_name(channel, service)
    if not found:
        typer.echo("nothing is stuck")
    for each in found:
        parts = [each["id"], each["channel"], each["kind"], each["state"], f"{each['attempts']} tries"]
        parts += [str(each[part]) for part in ("last_error", "next_attempt_at") if each[part]]
        typer.echo(plain("  ".join(parts)))


async def replay(selection: dict[str, Any], url: str, token: str | None) -> None:
    """Send again what `selection`, the body of `POST /-/replay`, names, and print it.

    Raises:
        FailedError: the service refuses, gives no answer, or has neither a delivery of that channel nor such a channel.
    """
    async with connect(url, token) as service:
        answer = await service.post("/-/replay", selection)
        if "channel" in selection and not answer["count"]:
            await check_name(selection["channel"], service)
    for key in answer["ids"]:
        typer.echo(key)
    typer.echo(f"{answer['count']} {'would be sent' if answer['dry_run'] else 'sent'} again")
    if answer["more"]:
        typer.echo("there are more: do it again")
