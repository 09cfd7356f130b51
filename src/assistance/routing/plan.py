"""What a topic gives for one request at one moment: the notices, and the response promised."""

from collections.abc import Mapping

from assistance.channels import Channel
from assistance.model import Delivery, Kind, State, When
from assistance.routing.routing import Topic


def plan(topic: Topic, request_id: str, now: float, channels: Mapping[str, Channel]) -> tuple[Delivery, ...]:
    """The notices of a request accepted at `now`, numbered from 1 in the order of the steps.

    A notice due at once is skipped where `when` does not allow it; the queue checks the conditions of later ones.
    """
    hours = None if topic.hours is None else str(topic.hours)
    is_open = topic.is_open(now) if any(step.when is not When.BOTH for step in topic.steps) else True
    notices: list[Delivery] = []
    for index, step in enumerate(topic.steps):
        state = State.PENDING if step.after > 0 or step.runs(is_open=is_open) else State.SKIPPED
        due, at_hours = now + step.after, None if step.when is When.BOTH else hours
        for name in step.notify:
            n, person = len(notices) + 1, channels[name].person
            # By position, for speed: this runs for every request.
            fields = (request_id, n, name, due, due, Kind.NOTICE, index, person, step.condition, step.when, at_hours)
            notices.append(Delivery(*fields, state=state))
    return tuple(notices)


def expected_response(topic: Topic, now: float) -> float | None:
    """When the customer may expect a response: what the topic promises, counted from its next opening.

    Without a promise it is the next opening itself, and None while the topic is open.
    """
    opens = topic.next_open_at(now)
    if topic.expected_response is None:
        return opens
    return (now if opens is None else opens) + topic.expected_response
