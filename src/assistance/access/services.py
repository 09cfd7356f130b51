"""What the endpoints need of the rest of the house, handed in by `app`."""

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
from assistance.watch.health import ChannelAnswer

TestChannel = Callable[[str], Awaitable[Attempt]]
"""Sends one marked message through a channel of the routing file and says what became of it."""


@dataclass(frozen=True, slots=True)
class Services:
    """One process's rooms, as the endpoints see them.

    `not_ready` says what keeps the process from its work (empty: ready). `channel_health` lists the channels as
    `GET /-/channels` answers.
    """

    access: Access
    intake: Intake
    desk: Desk
    store: Store
    waiting: Waiters
    routing: LiveRouting
    metrics: Metrics
    clock: SteadyClock
    not_ready: Callable[[], Awaitable[list[str]]]
    channel_health: Callable[[], Awaitable[list[ChannelAnswer]]]
    test_channel: TestChannel
