"""`assistance deliveries` and `assistance replay`."""

from typing import Any
from urllib.parse import urlencode

import typer

from assistance.cli.channels import known, names
from assistance.cli.failure import plain
from assistance.cli.service import Service, answers
from assistance.cli.tokens import find_token
from assistance.cli.variables import read_variables
from assistance.outgoing import Http

_SCOPE = "manage-assistance"
_PAGE = 200


async def show_deliveries(state: str | None, channel: str | None, url: str, token: str | None) -> None:
    """Print what is stuck, a delivery a line, as the service at `url` knows it or, with none running, the store.

    Raises:
        FailedError: neither can be asked, or nothing is found of a `channel` that the routing file does not have.
    """
    wanted = {name: value for name, value in (("state", state), ("channel", channel)) if value is not None}
    variables = read_variables()
    async with Http() as http:
        if await answers(url, http):
            service = Service(url, await find_token(token, url, _SCOPE, variables, http), http)
            found = await _pages(service, wanted)
            if channel is not None and not found:
                known(channel, await names(service))
        else:
            from assistance.cli.deliveries_here import stored_deliveries  # noqa: PLC0415 - see `channels_here`

            found = await stored_deliveries(variables, url, state, channel)
    _tell(found)


async def _pages(service: Service, wanted: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = {**wanted, "limit": str(_PAGE)}
    while True:
        page = await service.get(f"/-/deliveries?{urlencode(query)}")
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def _tell(found: list[dict[str, Any]]) -> None:
    if not found:
        typer.echo("nothing is stuck")
    for owed in found:
        told = [owed["id"], owed["channel"], owed["kind"], owed["state"], f"{owed['attempts']} tries"]
        told += [str(owed[part]) for part in ("last_error", "next_attempt_at") if owed[part]]
        typer.echo(plain("  ".join(told)))


async def replay(selection: dict[str, Any], url: str, token: str | None) -> None:
    """Send again what `selection`, the body of `POST /-/replay`, names, and print it.

    Raises:
        FailedError: the selection is refused, nobody can be asked, or nothing is found of an unknown channel.
    """
    variables = read_variables()
    async with Http() as http:
        if await answers(url, http):
            service = Service(url, await find_token(token, url, _SCOPE, variables, http), http)
            said = await service.post("/-/replay", selection)
            if "channel" in selection and not said["count"]:
                known(selection["channel"], await names(service))
        else:
            from assistance.cli.deliveries_here import replay_here  # noqa: PLC0415 - see `channels_here`

            said = await replay_here(variables, url, selection)
    for key in said["ids"]:
        typer.echo(key)
    typer.echo(f"{said['count']} {'would be sent' if said['dry_run'] else 'sent'} again")
    if said["more"]:
        typer.echo("there are more: do it again")
