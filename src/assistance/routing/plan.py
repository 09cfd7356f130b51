"""What a topic gives for one request at one moment: the notices, and the response promised."""

from collections.abc import Mapping
from types import MappingProxyType

from assistance.channels import Channel
from assistance.model import Condition, Delivery, Kind, Priority, State, When
from assistance.routing.routing import Step, Topic

Parked = Mapping[str, str]
"""Why nothing is sent on which channels."""


# Every priority has the same plan: the dispatcher sends `urgent` first within each lane.
def plan(  # noqa: PLR0917 - in the order in which they are known
    topic: Topic,
    request_id: str,
    now: float,
    priority: Priority,  # noqa: ARG001
    channels: Mapping[str, Channel],
    parked: Parked = MappingProxyType({}),
) -> tuple[Delivery, ...]:
    """The notices of a request accepted at `now`, numbered from 1 in the order of the steps.

    A notice due at once is skipped where `when` does not allow it, and parked on a channel of `parked`. A step
    `if: undelivered` is due at once where all notices before it are parked or skipped.
    """
    hours = None if topic.hours is None else str(topic.hours)
    is_open = topic.is_open(now) if any(step.when is not When.BOTH for step in topic.steps) else True
    notices: list[Delivery] = []
    for index, step in enumerate(topic.steps):
        runs = step.runs(is_open=is_open)
        # Outside its hours a step keeps its time, when it may be open: now it would only be skipped.
        early = bool(parked) and runs and _fails_over(step, notices, parked)
        due = now if early else now + step.after
        at_hours = None if step.when is When.BOTH else hours
        for name in step.notify:
            state = _state(name, parked, runs=runs) if due == now else State.PENDING
            n, person = len(notices) + 1, channels[name].person
            # By position, for speed: this runs for every request.
            fields = (request_id, n, name, due, due, Kind.NOTICE, index, person, step.condition, step.when, at_hours)
            error = parked[name] if state is State.PARKED else None
            notices.append(Delivery(*fields, state=state, last_error=error))
    return tuple(notices)


def _state(channel: str, parked: Parked, *, runs: bool) -> State:
    if not runs:
        return State.SKIPPED
    return State.PARKED if channel in parked else State.PENDING


def _fails_over(step: Step, before: list[Delivery], parked: Parked) -> bool:
    """Whether the step is a failover, and every notice before it for a person is on a parked channel."""
    if step.condition is not Condition.UNDELIVERED:
        return False
    people = [notice for notice in before if notice.person and notice.state is not State.SKIPPED]
    return bool(people) and all(notice.channel in parked for notice in people)


def expected_response(topic: Topic, now: float) -> float | None:
    """When the customer may expect a response: what the topic promises, counted from its next opening.

    Without a promise it is the next opening itself, and None while the topic is open.
    """
    opens = topic.next_open_at(now)
    if topic.expected_response is None:
        return opens
    return (now if opens is None else opens) + topic.expected_response
