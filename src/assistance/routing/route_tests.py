"""The tests that stand in the routing file: run before the file is put to use."""

from collections.abc import Iterable, Iterator

from assistance.routing.explain import explain
from assistance.routing.routing import RouteTest, Routing
from assistance.routing.topic import Topic

_A_MOMENT = 1_795_424_400.0  # Monday 2026-11-23T09:00Z: a test without `at` gives the same on every day


def run(routing: Routing) -> Iterator[tuple[int, str]]:
    """What is wrong with the results: the test's line and the problem in words.

    A test is passed over where its topic, or a channel of it, could not be read: of those enough is said.
    """
    for test in routing.tests:
        topic = routing.topic(test.topic)
        if topic is not None and all(routing.channels.keys() >= set(step.notify) for step in topic.steps):
            yield from ((test.line, text) for text in _differences(routing, topic, test))


def _differences(routing: Routing, topic: Topic, test: RouteTest) -> Iterator[str]:
    at = test.at if test.at is not None else topic.next_open_at(_A_MOMENT) or _A_MOMENT
    result = explain(routing, topic, at, test.priority)
    if set(test.expect) != set(result.at_once):
        yield f"expects {_list(test.expect)} at once, but the routes give {_list(result.at_once)}"
    if test.then is not None and set(test.then) != set(result.may_follow):
        yield f"expects that {_list(test.then)} may follow, but by the routes it is {_list(result.may_follow)}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody"
