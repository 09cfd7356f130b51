"""What is stuck, and sending it again, where no service runs: the store is opened instead."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from assistance.api.deliveries import Replay, owed_shown, replay_shown
from assistance.cli.channels import known
from assistance.cli.failure import FailedError
from assistance.cli.stored import stored
from assistance.cli.variables import read_routing
from assistance.desk import Desk
from assistance.model import Actor, State, SystemClock
from assistance.store import STUCK, DeliveryFilter

_MOST = 10_000


async def stored_deliveries(
    variables: Mapping[str, str], url: str, state: str | None, channel: str | None
) -> list[dict[str, Any]]:
    """What the store has, as `GET /-/deliveries` shows it.

    Raises:
        FailedError: it cannot be used, or has nothing of a `channel` that the routing file does not have.
    """
    states = STUCK if state is None else frozenset({State(state)})
    with stored(variables, url, "this is what the store remembers") as store:
        found = await store.deliveries(DeliveryFilter(_MOST, states, channel))
    if channel is not None and not found:
        known(channel, read_routing(variables).channels)
    return [owed_shown(each) for each in found]


async def replay_here(variables: Mapping[str, str], url: str, selection: dict[str, Any]) -> dict[str, Any]:
    """Make it due in the store, as `POST /-/replay` does; the next process to dispatch sends it.

    Raises:
        FailedError: the selection is refused, the store cannot be used, or has nothing of an unknown channel.
    """
    try:
        wanted = Replay.model_validate(selection)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise FailedError(": ".join([*map(str, first["loc"][:1]), first["msg"]])) from None
    with stored(variables, url, "it goes out when one runs again") as store:
        desk = Desk(store, SystemClock(), lambda: read_routing(variables))
        sent = await desk.replay(wanted.selection(), Actor("cli", ""), dry_run=wanted.dry_run)
    if wanted.channel is not None and not sent.keys:
        known(wanted.channel, read_routing(variables).channels)
    return replay_shown(wanted, sent)
