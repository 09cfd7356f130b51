"""What a topic's steps say that cannot be meant: refused where a step can never run, else a warning."""

from collections.abc import Collection, Iterator, Sequence

from assistance.model import Condition, When
from assistance.routing.file.schema import StepEntry, TopicEntry

Remark = tuple[tuple[str | int, ...], str]
"""Where, below the topic, and what."""

Steps = Sequence[StepEntry | None]
"""The steps in their order; None where one could not be read."""


def contradictions(topic: TopicEntry, steps: Steps) -> Iterator[Remark]:
    """Steps that can never run, or whose condition looks at nothing."""
    for index, step in enumerate(steps):
        if step is None:
            continue
        if step.when is When.CLOSED and topic.hours is None:
            yield ("steps", index, "when"), "this step never runs: the topic has no hours, so it never closes"
        elif step.when is When.CLOSED and topic.hours is not None and topic.hours.whole_week:
            yield ("steps", index, "when"), "this step never runs: the topic's hours cover the whole week"
        nothing_yet = step.condition is Condition.UNDELIVERED or (
            step.condition is Condition.UNCLAIMED and step.after == 0
        )
        if index == 0 and nothing_yet:
            yield ("steps", 0, "if"), f"`{step.condition}` makes no sense here: nothing comes before the first step"


def doubts(topic: TopicEntry, steps: Sequence[StepEntry], silent: Collection[str]) -> Iterator[Remark]:
    """What is allowed but probably not meant. `silent` are the channels that no person reads."""
    for index, step in enumerate(steps):
        if step.when is When.OPEN and topic.hours is None:
            yield ("steps", index, "when"), "the topic has no hours, so it is always open"
        if index and _condition_is_idle(step, steps[:index], silent):
            yield ("steps", index, "if"), f"`{step.condition}` always holds here: nobody is told before this step"
    yield from _nobody(topic, steps, silent)


def _condition_is_idle(step: StepEntry, before: Sequence[StepEntry], silent: Collection[str]) -> bool:
    if step.condition is Condition.ALWAYS:
        return False
    return not any(earlier.after < step.after and not set(earlier.notify) <= set(silent) for earlier in before)


def _nobody(topic: TopicEntry, steps: Sequence[StepEntry], silent: Collection[str]) -> Iterator[Remark]:
    told = {step.when for step in steps if not set(step.notify) <= set(silent)}
    if not told:
        yield (), "this topic tells no person: nobody reads the channels of its steps"
    elif topic.hours is not None and When.BOTH not in told:
        if When.OPEN not in told:
            yield ("hours",), "nobody is told while this topic is open"
        if When.CLOSED not in told and not topic.hours.whole_week:
            yield ("hours",), "nobody is told while this topic is closed"
