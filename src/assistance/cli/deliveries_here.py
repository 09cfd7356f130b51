"""What is stuck, and sending it again, where no service runs: the store is opened instead."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import typer
from pydantic import ValidationError

from assistance.cli.failure import FailedError
from assistance.cli.variables import database_url, read_routing
from assistance.desk import Desk
from assistance.http.replaying import Replay, owed_shown, send_again
from assistance.model import State, SystemClock
from assistance.store import STUCK, Selection, Store, StoreRefusedError, open_store

_MOST = 10_000


async def stored_deliveries(
    variables: Mapping[str, str], url: str, state: str | None, channel: str | None
) -> list[dict[str, Any]]:
    """What the store has, as `GET /-/deliveries` shows it. Raises FailedError: it cannot be used."""
    states = STUCK if state is None else frozenset({State(state)})
    async with _store(variables, url, "this is what the store remembers") as store:
        return [owed_shown(each) for each in await store.deliveries(Selection(_MOST, states, channel))]


async def replay_here(variables: Mapping[str, str], url: str, selection: dict[str, Any]) -> dict[str, Any]:
    """Make it due in the store, as `POST /-/replay` does; the next process to dispatch sends it.

    Raises:
        FailedError: the selection is refused, or the store cannot be used.
    """
    try:
        wanted = Replay.model_validate(selection)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise FailedError(": ".join([*map(str, first["loc"][:1]), first["msg"]])) from None
    clock = SystemClock()
    async with _store(variables, url, "it goes out when one runs again") as store:
        desk = Desk(store, clock, lambda: read_routing(variables))
        return await send_again(wanted, store, desk, "cli", clock.now())


@asynccontextmanager
async def _store(variables: Mapping[str, str], url: str, remark: str) -> AsyncIterator[Store]:
    try:
        store = open_store(database_url(variables))
    except StoreRefusedError as error:
        raise FailedError(f"no service answers at {url}, and {error}; --url says where the service is") from None
    typer.echo(f"no service answers at {url}: {remark}", err=True)
    try:
        yield store
    finally:
        store.close()
