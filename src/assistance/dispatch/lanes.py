"""All lanes of a process: the routing file gives them, and the store says what other processes have learned of them."""

from collections.abc import Callable, Iterable, Mapping

from assistance.channels import Channel
from assistance.dispatch.health import LaneHealth
from assistance.dispatch.lane import Lane
from assistance.model import Reason
from assistance.store import Job, LaneState, brief

Versions = Mapping[str, int | None]
"""The `LaneHealth.version` of each lane at some moment."""


class Lanes(dict[str, Lane]):
    """The lanes by the names of their channels.

    A lane stays when its channel goes from the routing file, so that what is being sent comes to its end and the
    channel can come back.
    """

    def configure(self, channels: Mapping[str, Channel], new: Callable[[str, Channel], Lane]) -> None:
        """Send by these channels and no others; `new` makes the lane of one that was not there before."""
        for name in self.keys() - channels.keys():
            self[name].health.remove(removed=True)
        for name, channel in channels.items():
            if name in self:
                self[name].change(channel)
            else:
                self[name] = new(name, channel)

    @property
    def parked(self) -> dict[str, str]:
        """The channels that are parked, and why."""
        return {name: brief(lane.health.parked) for name, lane in self.items() if lane.health.parked is not None}

    @property
    def leased(self) -> tuple[Job, ...]:
        """All that is leased and whose outcome is not recorded yet."""
        return tuple(job for lane in self.values() for job in lane.leased.values())

    @property
    def opens_in(self) -> float:
        """Seconds until the next of them opens that is closed now, as far as time alone decides."""
        return min((wait for lane in self.values() if (wait := lane.health.opens_in) > 0), default=float("inf"))

    def versions(self) -> Versions:
        """What `learn` compares with: to be read before the store is asked."""
        return {name: lane.health.version for name, lane in self.items()}

    def learn(self, states: Iterable[LaneState], before: Versions) -> list[LaneHealth]:
        """Take over what the store says of each lane, where this process has written nothing newer since `before`.

        Returns those that are parked as unknown and are known here: they are to be unparked.
        """
        stored = {state.channel: state for state in states}
        found_again = []
        for name, lane in self.items():
            state, health = stored.get(name) or LaneState(name), lane.health
            health.freeze(state.frozen_until)
            if health.version is None or before.get(name) != health.version:
                continue
            if state.parked_reason == Reason.UNKNOWN_CHANNEL:
                if not health.removed:
                    found_again.append(health)
            elif state.parked_reason is None:
                if health.parked is not None:
                    health.unpark()
            elif health.parked is None:
                health.park(state.parked_reason)
        return found_again
