"""One request as the service answers it, compared with the model's."""

from typing import Any

from tests.fakes.clock import ManualClock
from tests.fakes.service import Service
from tests.service.life import SAID, Request

from assistance.model import OWED, Delivery, State

_SOON = 5.0
"""Seconds within which what is due is waited for; the plans of the tests have nothing between that and a minute."""
_READS = 20
_PATIENCE = 200


async def compare(service: Service, clock: ManualClock, id_: str, expected: Request) -> None:
    """Its status, who has it and its events are what they must be, once all is sent that is due."""
    seen = await _quiet(service, clock, id_)
    for _ in range(_PATIENCE):
        if seen["status"] == expected.status:
            break
        clock.advance(1.0)
        seen = await _quiet(service, clock, id_)
    claimed = seen["claimed_by"] and seen["claimed_by"]["actor"]
    assert (seen["status"], seen["topic"], seen["conversation_id"], seen["notified"], claimed) == (
        *(expected.status, expected.topic, expected.conversation),
        *(expected.notified, expected.claimed_by),
    )
    _, body, _ = await service.call("GET", f"/assistance/{id_}/events")
    _compare_events(body["data"], expected)


def _compare_events(events: list[dict[str, Any]], expected: Request) -> None:
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    assert [(each["type"], each["actor"]) for each in events if each["type"] in SAID] == expected.events
    types = [each["type"] for each in events]
    assert types.count("notified") <= 1 + types.count("rerouted")


async def _quiet(service: Service, clock: ManualClock, id_: str) -> Any:
    """The request, once nothing of it is on its way or due soon; time goes on a little where that takes time."""
    busy: list[Delivery] = []
    for read in range(1, _READS * _PATIENCE):
        owed = [delivery for delivery, _ in await service.house.store.tries(id_)]
        assert [delivery.n for delivery in owed] == list(range(1, len(owed) + 1))
        busy = [delivery for delivery in owed if _is_busy(delivery, clock.now())]
        if not busy:
            return (await service.call("GET", f"/assistance/{id_}"))[1]
        if read % _READS == 0 or all(delivery.due_at > clock.now() for delivery in busy):
            clock.advance(0.5)
    raise AssertionError(f"never quiet: {busy}")


def _is_busy(delivery: Delivery, now: float) -> bool:
    return delivery.state in OWED and (delivery.state is State.SENDING or delivery.due_at < now + _SOON)
