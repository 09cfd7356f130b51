"""The health of this process and of its channels, and the ping to a monitor outside."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from typing_extensions import TypedDict

from assistance.dispatch import Dispatcher
from assistance.model import Clock, Verdict, rfc3339_or_none
from assistance.outgoing import Http
from assistance.routing import LiveRouting
from assistance.settings import Secret
from assistance.store import LaneState, Store, StoreUnavailableError

log = structlog.get_logger(__name__)

PING_EVERY = 60.0
_PING_SECONDS = 10.0
_WRITE_SECONDS = 2.0
_KEEP = 1.0
"""Seconds for which one write to the store answers every probe."""
_BEAT = 10.0
"""Seconds after which a dispatch loop that has not gone round counts as dead."""


class ChannelAnswer(TypedDict):
    """The health of a channel: `ok`, `parked` (misconfigured), `frozen` (by `Retry-After`) or `failing`."""

    channel: str
    type: str
    health: str
    reason: str | None
    until: str | None


class Health:
    """Answers `/readyz` and `/-/channels`; a provider that is down does not make this process less ready."""

    def __init__(
        self, store: Store, clock: Clock, dispatcher: Dispatcher | None, routing: LiveRouting, *, accepts: bool
    ) -> None:
        """`accepts`: whether this process accepts requests, so that it must be able to write."""
        self._store = store
        self._clock = clock
        self._dispatcher = dispatcher
        self._routing = routing
        self._accepts = accepts
        self._written: tuple[float, bool] | None = None
        self.stopping = False

    async def not_ready(self) -> list[str]:
        """Why the process is not ready; empty when it is."""
        reasons = ["it is stopping"] if self.stopping else []
        if self._accepts and not await self._writable():
            reasons.append("the store cannot be written to")
        if self._dispatcher is not None and self._dispatcher.seconds_since_beat > _BEAT:
            reasons.append("the dispatch loop stands still")
        return reasons

    async def _writable(self) -> bool:
        now = self._clock.monotonic()
        if self._written is None or now - self._written[0] > _KEEP:
            self._written = now, await self._write()
        return self._written[1]

    async def _write(self) -> bool:
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._store.check_writable(self._clock.now())
        except (StoreUnavailableError, TimeoutError):
            return False
        return True

    async def channels(self) -> list[ChannelAnswer]:
        """Each channel of the routing file, with its health."""
        known = {state.channel: state for state in await self._store.lane_states()}
        found: list[ChannelAnswer] = []
        for name, type_ in self._routing.current.channel_types.items():
            health, reason, until = "ok", None, None
            state, now = known.get(name, LaneState(name)), self._clock.now()
            if state.parked_reason is not None:
                health, reason, until = "parked", state.parked_reason, state.probe_at
            elif state.frozen_until > now:
                health, reason, until = "frozen", "rate_limited", state.frozen_until
            elif (state.failing_until or 0.0) > now:
                health, reason = "failing", "not_answering"
            found.append(
                {"channel": name, "type": type_, "health": health, "reason": reason, "until": rfc3339_or_none(until)}
            )
        return found


async def ping_while_well(url: Secret, http: Http, clock: Clock, well: Callable[[], Awaitable[bool]]) -> None:
    """GET `url` once a minute while `well`, until cancelled: a monitor outside raises the alarm when it stays away."""
    while True:
        if await well():
            try:
                await http.get(url, timeout=_PING_SECONDS)
            except Verdict as verdict:
                log.warning("dead_man_ping_failed", reason=verdict.reason, code=verdict.code)
        else:
            log.warning("dead_man_ping_withheld")
        await clock.sleep(PING_EVERY)
