from collections.abc import Callable

import pytest
from tests.routing.files import GOOD

from assistance.routing import Routing, RoutingError

Loaded = Callable[[str], Routing]
BASE = GOOD[: GOOD.index("tests:")]
LINE = BASE.count("\n") + 2


def failures(loaded: Loaded, tests: str) -> list[tuple[int, str]]:
    with pytest.raises(RoutingError) as caught:
        loaded(f"{BASE}tests:\n{tests}")
    return [(problem.line - LINE, problem.text) for problem in caught.value.problems]


def test_a_file_whose_test_fails_is_refused_with_what_came_out(loaded: Loaded) -> None:
    """Both halves of a test are compared, each failure at the test's line."""
    tests = "  - topic: sales\n    at: 2026-11-23T10:00+01:00\n    expect: [pricing-mail]\n    then: []\n"
    assert failures(loaded, tests) == [
        (0, "expects pricing-mail at once, but the routes give sales-slack, lines"),
        (0, "expects that nobody may follow, but by the routes it is pricing-mail, sales-slack"),
    ]


def test_the_moment_decides_what_may_follow(loaded: Loaded) -> None:
    """At night the step for open hours cannot follow; expecting it fails, leaving it out passes."""
    night = "  - topic: sales\n    at: 2026-11-23T03:00+01:00\n    expect: [sales-slack, lines]\n    then: "
    assert failures(loaded, f"{night}[pricing-mail, sales-slack]\n")[0][1].endswith("it is pricing-mail")
    assert loaded(f"{BASE}tests:\n{night}[pricing-mail]\n").tests


def test_without_a_moment_the_topic_is_open(loaded: Loaded) -> None:
    """A test without `at` does not depend on the day on which it runs: it takes place in the topic's hours."""
    for hours in ("Sat 03:00-04:00 Asia/Tokyo", "Mon-Fri 09:00-18:00 Europe/Madrid"):
        base = BASE.replace("Mon-Fri 09:00-18:00 Europe/Madrid", hours)
        test = "  - {topic: sales, expect: [sales-slack, lines], then: [pricing-mail, sales-slack]}\n"
        assert loaded(f"{base}tests:\n{test}".replace("after: 10m", "after: 2m")).tests


def test_every_failing_test_is_reported_and_unknown_topics_too(loaded: Loaded) -> None:
    """One failure hides no other, and a test of a topic that could not be read is left aside."""
    tests = (
        "  - {topic: parking, expect: []}\n"
        "  - {topic: pricing, expect: []}\n"
        "  - {topic: sales, expect: [sales-slack, lines]}\n"
        "  - {topic: pricing, expect: [pricing-mail], then: [lines]}\n"
    )
    assert failures(loaded, tests) == [
        (0, "tests #1.topic: unknown topic parking; did you mean pricing?"),
        (1, "expects nobody at once, but the routes give pricing-mail"),
        (3, "expects that lines may follow, but by the routes it is nobody"),
    ]
