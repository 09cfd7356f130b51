"""How this process and its channels are."""

import asyncio

from typing_extensions import TypedDict

from assistance.dispatch import Dispatcher
from assistance.model import Clock, rfc3339_or_none
from assistance.routing import LiveRouting
from assistance.store import LaneState, Store, StoreUnavailableError

_WRITE_SECONDS = 2.0
_KEEP = 1.0
_BEAT = 10.0


class ChannelAnswer(TypedDict):
    """The health of a channel: `ok`, `parked` (misconfigured), `frozen` (by `Retry-After`) or `failing`."""

    channel: str
    type: str
    health: str
    reason: str | None
    until: str | None


class Health:
    """Answers `/readyz` and `/-/channels`. Slack's health is nothing to this process's readiness."""

    def __init__(
        self, store: Store, clock: Clock, dispatcher: Dispatcher | None, routing: LiveRouting, *, accepts: bool
    ) -> None:
        """`accepts` says whether this process takes requests in."""
        self._store = store
        self._clock = clock
        self._dispatcher = dispatcher
        self._routing = routing
        self._accepts = accepts
        self._written: tuple[float, bool] | None = None
        self.stopping = False

    async def not_ready(self) -> list[str]:
        """What keeps the process from its work; empty when it is ready."""
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
