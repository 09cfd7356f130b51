from collections.abc import Callable

import pytest
from tests.routing.files import DAY, HOUR, MONDAY_TEN

from assistance.model import Condition, Delivery, Kind, Priority, State, When
from assistance.routing import Routing, Step, Topic, expected_response, parse_hours, plan

Loaded = Callable[[str], Routing]

NIGHT = MONDAY_TEN - 5 * HOUR
OFFICE = "Mon-Fri 09:00-18:00 Europe/Madrid"
ALWAYS, UNDELIVERED, UNCLAIMED = Condition
OPEN, CLOSED, BOTH = When

CHANNELS = """\
channels:
  a: {type: slack, token: env:SLACK_TOKEN, channel: C1}
  b: {type: slack, token: env:SLACK_TOKEN, channel: C2}
  c: {type: slack, token: env:SLACK_TOKEN, channel: C3}
  log: {type: log}
topics:
  t: {steps: [{notify: [a, b, c, log]}]}
"""


def topic(*steps: Step, hours: str | None = None, promise: float | None = None) -> Topic:
    return Topic("t", "T", "", None if hours is None else parse_hours(hours), steps, promise)


def test_a_plan_numbers_the_notices_in_the_order_of_the_steps(routing: Routing) -> None:
    """Every notice carries its number, step, due time, condition, and the hours only where they matter."""
    sales = routing.topics["sales"]
    assert plan(sales, "r1", MONDAY_TEN, Priority.URGENT, routing.channels) == (
        Delivery("r1", 1, "sales-slack", MONDAY_TEN, MONDAY_TEN),
        Delivery("r1", 2, "lines", MONDAY_TEN, MONDAY_TEN, person=False),
        Delivery(
            "r1", 3, "pricing-mail", MONDAY_TEN + 60, MONDAY_TEN + 60, step=1, condition=Condition.UNDELIVERED
        ),
        Delivery(
            "r1",
            4,
            "sales-slack",
            MONDAY_TEN + 600,
            MONDAY_TEN + 600,
            kind=Kind.NOTICE,
            step=2,
            condition=Condition.UNCLAIMED,
            when=When.OPEN,
            hours=OFFICE,
        ),
    )  # fmt: skip


FIRST = Step(("a",))
MINUTE = Step(("b",), 60.0, UNDELIVERED)
LATER = Step(("c",), 120.0, UNDELIVERED)


@pytest.mark.parametrize(
    ("steps", "now", "parked", "expected"),
    [
        # Out of its hours, what is due at once is skipped; what is due later is looked at then.
        ([Step(("a",), when=OPEN), Step(("b",), when=CLOSED)], NIGHT, "", "a0 skipped, b0 pending"),
        ([Step(("a",), when=OPEN), Step(("b",), when=CLOSED)], MONDAY_TEN, "", "a0 pending, b0 skipped"),
        ([FIRST, Step(("b",), 60.0, when=OPEN)], NIGHT, "", "a0 pending, b60 pending"),
        # The failover starts at once when those before it are parked, through several steps.
        ([FIRST, MINUTE, LATER], NIGHT, "", "a0 pending, b60 pending, c120 pending"),
        ([FIRST, MINUTE, LATER], NIGHT, "a", "a0 parked, b0 pending, c120 pending"),
        ([FIRST, MINUTE, LATER], NIGHT, "ab", "a0 parked, b0 parked, c0 pending"),
        ([FIRST, MINUTE, LATER], NIGHT, "abc", "a0 parked, b0 parked, c0 parked"),
        ([FIRST, MINUTE, LATER], NIGHT, "b", "a0 pending, b60 pending, c120 pending"),
        # One of two is not parked: a person gets the notice.
        ([Step(("a", "b")), LATER], NIGHT, "a", "a0 parked, b0 pending, c120 pending"),
        ([Step(("a", "b")), LATER], NIGHT, "ab", "a0 parked, b0 parked, c0 pending"),
        # Channels that no person reads count for nothing.
        ([Step(("a", "log")), LATER], NIGHT, "a", "a0 parked, log0 pending, c0 pending"),
        ([Step(("log",)), LATER], NIGHT, "a", "log0 pending, c120 pending"),
        # What is skipped hinders nobody, but by itself brings nothing forward.
        ([FIRST, Step(("b",), when=OPEN), LATER], NIGHT, "a", "a0 parked, b0 skipped, c0 pending"),
        ([Step(("b",), when=OPEN), LATER], NIGHT, "a", "b0 skipped, c120 pending"),
        # Other conditions keep their time, and so does a failover that is out of its hours.
        ([FIRST, Step(("b",), 60.0, UNCLAIMED)], NIGHT, "a", "a0 parked, b60 pending"),
        ([FIRST, Step(("b",), 60.0, ALWAYS)], NIGHT, "a", "a0 parked, b60 pending"),
        ([FIRST, Step(("b",), 60.0, UNDELIVERED, OPEN)], NIGHT, "a", "a0 parked, b60 pending"),
        ([FIRST, Step(("b",), 60.0, UNDELIVERED, CLOSED)], NIGHT, "a", "a0 parked, b0 pending"),
    ],
)
def test_a_plan_depends_on_the_hours_and_on_what_is_parked(
    loaded: Loaded, steps: list[Step], now: float, parked: str, expected: str
) -> None:
    """For each case: which channel, after how many seconds, in which state."""
    channels = loaded(CHANNELS).channels
    notices = plan(
        topic(*steps, hours=OFFICE), "r", now, Priority.NORMAL, channels, dict.fromkeys(parked, "credentials")
    )
    assert ", ".join(f"{one.channel}{one.due_at - now:.0f} {one.state}" for one in notices) == expected
    assert all(one.owed_since == one.due_at for one in notices)
    assert [one.n for one in notices] == list(range(1, len(notices) + 1))


def test_without_hours_a_topic_is_always_open(loaded: Loaded) -> None:
    """`when: open` in a topic without hours is no condition at all."""
    routing = loaded(CHANNELS.replace("[{notify: [a, b, c, log]}]", "[{notify: [a, b, c, log], when: open}]"))
    notices = plan(routing.topics["t"], "r", NIGHT, Priority.NORMAL, routing.channels)
    assert {(one.state, one.when, one.hours) for one in notices} == {(State.PENDING, When.BOTH, None)}


@pytest.mark.parametrize(
    ("hours", "promise", "now", "expected"),
    [
        (None, None, NIGHT, None),
        (None, 900.0, NIGHT, NIGHT + 900),
        (OFFICE, None, MONDAY_TEN, None),
        (OFFICE, None, NIGHT, MONDAY_TEN - HOUR),
        (OFFICE, 900.0, MONDAY_TEN, MONDAY_TEN + 900),
        (OFFICE, 900.0, NIGHT, MONDAY_TEN - HOUR + 900),
        (OFFICE, 900.0, MONDAY_TEN - 2 * DAY, MONDAY_TEN - HOUR + 900),
    ],
)
def test_an_answer_is_promised_from_the_next_opening(
    hours: str | None, promise: float | None, now: float, expected: float | None
) -> None:
    """The promise counts from now while open, else from the opening; without a promise the opening is the answer."""
    assert expected_response(topic(FIRST, hours=hours, promise=promise), now) == expected
