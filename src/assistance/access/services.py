"""What endpoints need of the other rooms; `app` puts it together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from assistance.access.access import Access
from assistance.access.waiting import Waiters
from assistance.desk import Desk
from assistance.intake import Intake
from assistance.model import Attempt, SteadyClock
from assistance.routing import LiveRouting
from assistance.store import Store
from assistance.telemetry import Metrics
from assistance.watch.health import Health


@dataclass(frozen=True, slots=True)
class Services:
    """One process's rooms, as the endpoints see them.

    `test_channel` sends one marked message through a channel of the routing file.
    """

    access: Access
    intake: Intake
    desk: Desk
    store: Store
    waiting: Waiters
    routing: LiveRouting
    metrics: Metrics
    clock: SteadyClock
    health: Health
    test_channel: Callable[[str], Awaitable[Attempt]]
