"""Waiting for what the service does by itself."""

from collections.abc import Callable
from typing import Any

from tests.fakes.service import Service

from assistance.model import OWED, Delivery
from assistance.sandbox.slack import Fault
from assistance.sandbox.smtp import SmtpFault


async def owed(service: Service, request_id: str, enough: Callable[[list[Delivery]], bool]) -> list[Delivery]:
    """A request's deliveries, once they are `enough`."""

    async def read() -> list[Delivery]:
        return [delivery for delivery, _ in await service.house.store.tries(request_id)]

    found = await service.house.waiting.until(request_id, read, enough, 20)
    assert enough(found), found
    return found


async def all_delivered(service: Service, request_id: str) -> None:
    """Return when nothing of the request is due or on its way; what is planned for later stays."""
    soon = service.house.clock.now() + 30
    await owed(service, request_id, lambda found: not any(d.state in OWED and d.due_at < soon for d in found))


async def failed(service: Service, topic: str = "sales", *, hang: float | None = None, **body: Any) -> Any:
    """A request that no channel could take, Slack after `hang` seconds; the channels are well again."""
    service.slack.always(Fault(error="invalid_blocks", hang=hang))
    service.smtp.always(SmtpFault(stage="RCPT", code=550, text="5.1.1 no such mailbox"))
    asked = await service.ask(topic, **body)
    seen = await service.when(asked["id"], "failed", within=20)
    service.slack.always(None)
    service.smtp.always(None)
    return seen


async def time_line(service: Service, request_id: str) -> list[dict[str, Any]]:
    """The events of a request."""
    status, body, _ = await service.call("GET", f"/assistance/{request_id}/events")
    assert status == 200
    events: list[dict[str, Any]] = body["data"]
    return events
