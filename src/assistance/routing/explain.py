"""Why a request of a topic, at a moment, goes where it goes."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, assert_never

from assistance.model import Condition, Delivery, Priority, State, When, rfc3339, rfc3339_or_none
from assistance.routing.plan import expected_response, plan
from assistance.routing.routing import Routing, Step, Topic

Result = Literal["at once", "may follow", "skipped"]


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """The result of one step at the instant `at`, and why."""

    step: Step
    at: float
    result: Result
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan for a request of `topic` at the instant `at`, with the reasons. Nothing is sent."""

    topic: Topic
    at: float
    priority: Priority
    steps: tuple[ExplainedStep, ...]

    def channels(self, result: Result) -> list[str]:
        """The channels that are notified at once, or that may follow, each once."""
        return list(dict.fromkeys(name for each in self.steps if each.result == result for name in each.step.notify))

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
            "at_once": self.channels("at once"),
            "may_follow": self.channels("may follow"),
            "steps": [
                {
                    "step": number,
                    "channels": list(each.step.notify),
                    "at": rfc3339(each.at),
                    "outcome": each.result,
                    "if": each.step.condition,
                    "when": each.step.when,
                    "why": each.why,
                }
                for number, each in enumerate(self.steps, 1)
            ],
        }

    def lines(self) -> list[str]:
        """The whole for a terminal, in the topic's own time zone."""
        zone = UTC if self.topic.hours is None else self.topic.hours.zone
        response = expected_response(self.topic, self.at)
        steps = [
            f"step {number}: {each.result}, {_clock(each.at, zone)}: {', '.join(each.step.notify)} ({each.why})"
            for number, each in enumerate(self.steps, 1)
        ]
        return [
            f"{self.topic.name}: {self.topic.title}, priority {self.priority}, {_clock(self.at, zone)}",
            _opening(self.topic, self.at, zone),
            *steps,
            f"notified at once: {', '.join(self.channels('at once')) or 'nobody'}",
            f"may follow: {', '.join(self.channels('may follow')) or 'nobody'}",
            f"expected response: {'no promise' if response is None else _clock(response, zone)}",
        ]


def explain(routing: Routing, topic: Topic, at: float, priority: Priority = Priority.NORMAL) -> Explanation:
    """What a request of `topic` accepted at `at` would give, with no channel parked."""
    notices = plan(topic, "", at, priority, routing.channels)
    steps = [
        _explained(topic, at, step, next(notice for notice in notices if notice.step == index))
        for index, step in enumerate(topic.steps)
    ]
    return Explanation(topic, at, priority, tuple(steps))


def _explained(topic: Topic, at: float, step: Step, notice: Delivery) -> ExplainedStep:
    due = at + step.after
    is_open = topic.is_open(due)
    if not step.runs(is_open=is_open) or notice.state is State.SKIPPED:
        state = "open" if is_open else "closed"
        return ExplainedStep(step, due, "skipped", f"only when {step.when}; {state} then")
    hours = "" if step.when is When.BOTH else f"; when {step.when}, as it is then"
    return ExplainedStep(step, due, "at once" if due == at else "may follow", f"{_condition(step.condition)}{hours}")


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


def _opening(topic: Topic, at: float, zone: tzinfo) -> str:
    if topic.hours is None:
        return "always open: it has no hours"
    opens = topic.next_open_at(at)
    return f"{'open' if opens is None else f'closed until {_clock(opens, zone)}'}: {topic.hours}"


def _clock(instant: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(instant, zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")
