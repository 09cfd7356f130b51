import json

from tests.routing.files import HOUR, MONDAY_TEN

from assistance.model import Priority
from assistance.routing import Routing, explain


def test_an_explanation_has_channels_times_and_reasons(routing: Routing) -> None:
    """While open: what goes out at once, what may follow at which time, on which condition."""
    explained = explain(routing, routing.topics["sales"], MONDAY_TEN, Priority.URGENT).to_json()
    assert json.loads(json.dumps(explained)) == explained
    assert explained["at_once"] == ["sales-slack", "lines"]
    assert explained["may_follow"] == ["pricing-mail", "sales-slack"]
    assert (explained["open"], explained["next_open_at"]) == (True, None)
    assert explained["expected_response"] == "2026-11-23T09:15:00.000Z"
    assert explained["priority"] == "urgent"
    assert [(step["step"], step["outcome"], step["at"]) for step in explained["steps"]] == [
        (1, "at once", "2026-11-23T09:00:00.000Z"),
        (2, "may follow", "2026-11-23T09:01:00.000Z"),
        (3, "may follow", "2026-11-23T09:10:00.000Z"),
    ]
    assert explained["steps"][1]["why"].startswith("if no person's channel has taken it by then")


def test_a_step_out_of_its_hours_is_explained_as_skipped(routing: Routing) -> None:
    """While closed: the step that wants an open topic says so, and the next opening is given."""
    explained = explain(routing, routing.topics["sales"], MONDAY_TEN - 5 * HOUR).to_json()
    assert explained["may_follow"] == ["pricing-mail"]
    assert explained["next_open_at"] == "2026-11-23T08:00:00.000Z"
    assert explained["steps"][2]["outcome"] == "skipped"
    assert explained["steps"][2]["why"] == "only when open; closed then"


def test_a_step_is_judged_by_the_hours_at_its_own_time(routing: Routing) -> None:
    """Five minutes before the opening, a step that is due in ten finds the topic open."""
    explained = explain(routing, routing.topics["sales"], MONDAY_TEN - HOUR - 300).to_json()
    assert explained["open"] is False
    assert explained["steps"][2]["outcome"] == "may follow"


def test_the_terminal_gets_the_same_in_the_topics_own_time(routing: Routing) -> None:
    """One line each for the topic, its hours, every step and the sums, in the local time of the hours."""
    failover = "if no person's channel has taken it by then; at once when those before fail or are parked"
    assert explain(routing, routing.topics["sales"], MONDAY_TEN - 5 * HOUR).lines() == [
        "sales: Sales desk, priority normal, Mon 2026-11-23 05:00:00 CET",
        "closed until Mon 2026-11-23 09:00:00 CET: Mon-Fri 09:00-18:00 Europe/Madrid",
        "step 1: at once, Mon 2026-11-23 05:00:00 CET: sales-slack, lines (always)",
        f"step 2: may follow, Mon 2026-11-23 05:01:00 CET: pricing-mail ({failover})",
        "step 3: skipped, Mon 2026-11-23 05:10:00 CET: sales-slack (only when open; closed then)",
        "notified at once: sales-slack, lines",
        "may follow: pricing-mail",
        "expected response: Mon 2026-11-23 09:15:00 CET",
    ]
    assert explain(routing, routing.topics["pricing"], MONDAY_TEN).lines() == [
        "pricing: pricing, priority normal, Mon 2026-11-23 09:00:00 UTC",
        "always open: it has no hours",
        "step 1: at once, Mon 2026-11-23 09:00:00 UTC: pricing-mail (always)",
        "notified at once: pricing-mail",
        "may follow: nobody",
        "expected response: no promise",
    ]
