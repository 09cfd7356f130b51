"""One event is one line of JSON, whatever stands in a field."""

import json
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistance.telemetry.lines import json_line

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.builds(object),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.binary() | st.none(), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), ANYTHING, max_size=3))
def test_any_event_is_one_strict_object_on_one_line(event: dict[str, Any]):
    """No field splits a line, and strict readers take each: no NaN, no lone surrogate, ASCII only."""
    line = json_line(event)
    assert line.endswith(b"\n")
    assert len(line.decode("ascii").splitlines()) == 1
    read = json.loads(line, parse_constant=pytest.fail)
    json.dumps(read, ensure_ascii=False).encode("utf-8")


@given(st.dictionaries(st.sampled_from("abc"), st.text() | st.integers(-(2**60), 2**60) | st.booleans() | st.none()))
def test_what_json_can_hold_arrives_as_it_was(event: dict[str, Any]):
    """Text in any script, numbers, booleans and null arrive as they were, short of lone surrogates."""
    assert json.loads(json_line(event)) == event


def test_plain_forms_are_logged_and_other_objects_only_named():
    """Paths, dates, ids and bytes have their text; an object of ours shows its type, never its `repr`."""

    class Customer:
        def __repr__(self) -> str:
            return "canary"

    line = json_line(
        {
            "path": PurePosixPath("/a"),
            "id": UUID(int=1),
            "at": datetime(2026, 1, 2, tzinfo=UTC),
            "raw": b"\xff\n",
            "who": Customer(),
            "all": {Customer()},
        }
    )
    assert b"canary" not in line
    read = json.loads(line)
    assert (read["path"], read["raw"], read["at"]) == ("/a", "\\xff\n", "2026-01-02 00:00:00+00:00")
    assert read["who"].endswith("Customer>")


def test_endless_and_enormous_values_are_cut():
    """A structure that contains itself, a huge number and a huge text end in a line of bounded size."""
    endless: dict[str, Any] = {}
    endless["self"] = endless
    assert len(json_line({"event": endless})) < 1_000
    assert len(json_line({"event": 10**5000})) < 1_000
    assert len(json_line({"event": "x" * 1_000_000, "list": ["y" * 5_000] * 1_000})) < 200_000
