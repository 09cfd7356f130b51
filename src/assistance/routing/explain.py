"""Why a request of a topic, at a moment, goes where it goes."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, assert_never

from assistance.model import Condition, Delivery, Priority, State, When, rfc3339, rfc3339_or_none
from assistance.routing.plan import expected_response, plan
from assistance.routing.routing import Routing, Step, Topic

AT_ONCE, MAY_FOLLOW, SKIPPED = "at once", "may follow", "skipped"


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """What becomes of one step: `outcome` is `at once`, `may follow` or `skipped`, at the instant `at`, and `why`."""

    number: int
    channels: tuple[str, ...]
    at: float
    outcome: str
    why: str
    step: Step

    def to_json(self) -> dict[str, Any]:
        """The step, ready for JSON."""
        return {
            "step": self.number,
            "channels": list(self.channels),
            "at": rfc3339(self.at),
            "outcome": self.outcome,
            "if": self.step.condition,
            "when": self.step.when,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan for a request of `topic` at the instant `at`, with the reasons. Nothing is sent."""

    topic: Topic
    at: float
    priority: Priority
    steps: tuple[ExplainedStep, ...]

    @property
    def at_once(self) -> tuple[str, ...]:
        """The channels notified at once."""
        return self._channels(AT_ONCE)

    @property
    def may_follow(self) -> tuple[str, ...]:
        """The channels that may be notified later."""
        return self._channels(MAY_FOLLOW)

    def _channels(self, outcome: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for step in self.steps if step.outcome == outcome for name in step.channels))

    def to_json(self) -> dict[str, Any]:
        """The whole, ready for JSON."""
        return {
            "topic": self.topic.name,
            "title": self.topic.title,
            "at": rfc3339(self.at),
            "priority": self.priority,
            "hours": None if self.topic.hours is None else str(self.topic.hours),
            "open": self.topic.is_open(self.at),
            "next_open_at": rfc3339_or_none(self.topic.next_open_at(self.at)),
            "expected_response": rfc3339_or_none(expected_response(self.topic, self.at)),
            "expires_at": rfc3339(self.at + self.topic.expires_in),
            "at_once": list(self.at_once),
            "may_follow": list(self.may_follow),
            "steps": [step.to_json() for step in self.steps],
        }

    def lines(self) -> list[str]:
        """The whole for a terminal, in the topic's own time zone."""
        zone = UTC if self.topic.hours is None else self.topic.hours.zone
        answer = expected_response(self.topic, self.at)
        steps = [
            f"step {step.number}: {step.outcome}, {_clock(step.at, zone)}: {', '.join(step.channels)} ({step.why})"
            for step in self.steps
        ]
        return [
            f"{self.topic.name}: {self.topic.title}, priority {self.priority}, {_clock(self.at, zone)}",
            _opening(self.topic, self.at, zone),
            *steps,
            f"notified at once: {', '.join(self.at_once) or 'nobody'}",
            f"may follow: {', '.join(self.may_follow) or 'nobody'}",
            f"expected response: {'no promise' if answer is None else _clock(answer, zone)}",
        ]


def explain(routing: Routing, topic: Topic, at: float, priority: Priority = Priority.NORMAL) -> Explanation:
    """Say what a request of `topic` accepted at `at` would give, with no channel parked."""
    notices = plan(topic, "", at, priority, routing.channels)
    steps = [
        _explained(topic, at, index, step, [notice for notice in notices if notice.step == index])
        for index, step in enumerate(topic.steps)
    ]
    return Explanation(topic, at, priority, tuple(steps))


def _explained(topic: Topic, at: float, index: int, step: Step, notices: list[Delivery]) -> ExplainedStep:
    due = at + step.after
    is_open = topic.is_open(due)
    if not step.runs(is_open=is_open) or notices[0].state is State.SKIPPED:
        return ExplainedStep(
            index + 1, step.notify, due, SKIPPED, f"only when {step.when}; {_open(is_open=is_open)} then", step
        )
    outcome = AT_ONCE if due == at else MAY_FOLLOW
    hours = "" if step.when is When.BOTH else f"; when {step.when}, as it is then"
    return ExplainedStep(index + 1, step.notify, due, outcome, f"{_condition(step.condition)}{hours}", step)


def _condition(condition: Condition) -> str:
    match condition:
        case Condition.ALWAYS:
            return "always"
        case Condition.UNDELIVERED:
            return "if no person's channel has taken it by then; at once when those before fail or are parked"
        case Condition.UNCLAIMED:
            return "if nobody has taken it by then"
        case _:
            assert_never(condition)


def _open(*, is_open: bool) -> str:
    return "open" if is_open else "closed"


def _opening(topic: Topic, at: float, zone: tzinfo) -> str:
    if topic.hours is None:
        return "always open: it has no hours"
    opens = topic.next_open_at(at)
    return f"{'open' if opens is None else f'closed until {_clock(opens, zone)}'}: {topic.hours}"


def _clock(instant: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(instant, zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")
