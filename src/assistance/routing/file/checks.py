"""What is checked beyond the schema: steps that can never run, steps that are probably not meant so, route tests."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import assert_never

from assistance.model import Condition, When
from assistance.routing.explain import explain
from assistance.routing.file.document import Where
from assistance.routing.file.schema import RouteTest, StepEntry, TopicEntry
from assistance.routing.routing import Routing, Topic

_A_MOMENT = 1_795_424_400.0  # Monday 2026-11-23T09:00Z: a test without `at` has the same result on every day

Remark = tuple[Where, str]
"""Where, below the topic, and what."""


def contradictions(topic: TopicEntry, steps: Sequence[StepEntry | None]) -> Iterator[Remark]:
    """Steps that can never run, or whose condition has nothing to look at; a step that could not be read is None."""
    for index, step in enumerate(steps):
        if step is not None and step.when is When.CLOSED:
            if topic.hours is None:
                yield ("steps", index, "when"), "this step never runs: the topic has no hours, so it never closes"
            elif topic.hours.whole_week:
                yield ("steps", index, "when"), "this step never runs: the topic's hours cover the whole week"
    first = steps[0] if steps else None
    if first is not None and not _has_meaning(first):
        yield ("steps", 0, "if"), f"`{first.condition}` makes no sense here: nothing comes before the first step"


def _has_meaning(first: StepEntry) -> bool:
    """Whether the condition makes sense for a topic's first step."""
    match first.condition:
        case Condition.ALWAYS:
            return True
        case Condition.UNDELIVERED:
            return False
        case Condition.UNCLAIMED:
            return first.after > 0
        case _:
            assert_never(first.condition)


def doubts(topic: TopicEntry, steps: Sequence[StepEntry], silent: Collection[str]) -> Iterator[Remark]:
    """What is allowed but probably not meant. `silent` are the channels that no person reads."""
    for index, step in enumerate(steps):
        if step.when is When.OPEN and topic.hours is None:
            yield ("steps", index, "when"), "the topic has no hours, so it is always open"
        if index and step.condition is not Condition.ALWAYS and not _notified_before(step, steps[:index], silent):
            yield ("steps", index, "if"), f"`{step.condition}` always holds here: nobody is notified before this step"
    reached = {step.when for step in steps if not set(step.notify) <= set(silent)}
    if not reached:
        yield (), "this topic notifies no person: nobody reads the channels of its steps"
    elif topic.hours is not None and When.BOTH not in reached:
        if When.OPEN not in reached:
            yield ("hours",), "nobody is notified while this topic is open"
        if When.CLOSED not in reached and not topic.hours.whole_week:
            yield ("hours",), "nobody is notified while this topic is closed"


def _notified_before(step: StepEntry, before: Sequence[StepEntry], silent: Collection[str]) -> bool:
    return any(earlier.after < step.after and not set(earlier.notify) <= set(silent) for earlier in before)


def failed_tests(routing: Routing) -> Iterator[tuple[int, str]]:
    """Run the file's route tests: the line and the problem in words of each that fails.

    A test is skipped where its topic, or a channel of it, could not be read: that is a problem already.
    """
    for line, test in routing.tests:
        topic = routing.topic(test.topic)
        if topic is not None and all(routing.channels.keys() >= set(step.notify) for step in topic.steps):
            yield from ((line, text) for text in _differences(routing, topic, test))


def _differences(routing: Routing, topic: Topic, test: RouteTest) -> Iterator[str]:
    at = test.at if test.at is not None else topic.next_open_at(_A_MOMENT) or _A_MOMENT
    result = explain(routing, topic, at, test.priority)
    at_once, may_follow = result.channels("at once"), result.channels("may follow")
    if set(test.expect) != set(at_once):
        yield f"expects {_list(test.expect)} at once, but the routes give {_list(at_once)}"
    if test.then is not None and set(test.then) != set(may_follow):
        yield f"expects that {_list(test.then)} may follow, but by the routes it is {_list(may_follow)}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody"
