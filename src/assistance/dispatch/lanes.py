"""All lanes of a process: the routing file gives them, and the store tells them what other processes have learned."""

from collections.abc import Callable, Collection, Iterable, Mapping

from assistance.channels import Channel
from assistance.dispatch.lane import Carrier, Lane
from assistance.model import Clock, Reason
from assistance.store import Job, LaneState, brief

Knowledge = Mapping[str, int]
"""The number of each lane's last report to the store at some moment; nothing of one that was being made."""


class Lanes(dict[str, Lane]):
    """The lanes by the names of their channels.

    A lane stays when its channel goes from the routing file, so that what is under way there comes to its end and the
    channel can come back.
    """

    def configure(
        self, channels: Mapping[str, Channel], clock: Clock, carrier: Carrier, wake: Callable[[], None]
    ) -> None:
        """Send by these channels and no others."""
        for name in self.keys() - channels.keys():
            self[name].remove()
        for name, channel in channels.items():
            if name in self:
                self[name].change(channel)
            else:
                self[name] = Lane(name, channel, clock, carrier=carrier, wake=wake)

    @property
    def parked(self) -> dict[str, str]:
        """The channels that are parked, and why."""
        return {lane.name: brief(lane.parked) for lane in self.values() if lane.parked is not None}

    @property
    def held(self) -> tuple[Job, ...]:
        """All that is leased and not yet settled."""
        return tuple(job for lane in self.values() for job in lane.held.values())

    def keep(self, keys: Collection[str], good_until: float) -> None:
        """See `Lane.keep`."""
        for lane in self.values():
            lane.keep(keys, good_until)

    def lose(self, keys: Collection[str]) -> None:
        """See `Lane.lose`."""
        for lane in self.values():
            lane.lose(keys)

    @property
    def opens_in(self) -> float:
        """Seconds until the next of them opens that is closed now, as far as time alone decides."""
        return min((wait for lane in self.values() if (wait := lane.opens_in) > 0), default=float("inf"))

    def paces(self, names: Iterable[str]) -> dict[str, float]:
        """The messages per second of those of these that have a limit."""
        return {name: pace for name in names if (pace := self[name].channel.messages_per_second) is not None}

    def knowledge(self) -> Knowledge:
        """What `learn` is to compare with."""
        return {name: number for name, lane in self.items() if (number := lane.report.number) is not None}

    def learn(self, states: Iterable[LaneState], before: Knowledge) -> list[Lane]:
        """Let each lane know what the store does; says which are parked for being unknown and are not unknown here.

        `before` is what was known when the store was asked: where this process has learned more since, that counts.
        """
        known = {state.channel: state for state in states}
        found_again = []
        for name, lane in self.items():
            state = known.get(name) or LaneState(name)
            lane.freeze(state.frozen_until)
            if lane.report.number is None or before.get(name) != lane.report.number:
                continue
            if state.parked_reason == Reason.UNKNOWN_CHANNEL:
                if not lane.removed:
                    found_again.append(lane)
            elif state.parked_reason is None:
                if lane.parked is not None:
                    lane.unpark()
            elif lane.parked is None:
                lane.park(state.parked_reason)
        return found_again
