"""Problem documents: the same shape for whatever is refused, and nothing of the input in it."""

import json
import re
from pathlib import Path

import pytest
from tests.server.wire import application, ask, head, post

from assistance.server.problems import Problem, validation_problem
from assistance.server.server import serve


async def test_a_problem_carries_its_type_its_extensions_and_its_headers():
    """What an endpoint raises arrives as a problem document, extensions and header fields included."""
    async with serve(application()) as url:
        answer = await ask(url, head("/refused"))
    assert answer.status == 409
    assert answer.headers["x-extra"] == "1"
    document = answer.problem
    del document["request_id"]
    assert document == {
        "type": "/problems/taken",
        "title": "Taken",
        "status": 409,
        "detail": "Ana has it.",
        "by": "Ana",
    }


async def test_invalid_values_are_listed_by_pointer_without_what_was_sent():
    """A 422 names each wrong value by a JSON pointer and a sentence of our own, and echoes nothing."""
    body = json.dumps({"topic": "xy", "customer": {"email": 987654}, "links": [1, "canary"]}).encode()
    async with serve(application()) as url:
        answer = await ask(url, post(body, target="/asks"))
    assert answer.status == 422
    assert answer.problem["errors"] == [
        {"pointer": "#/topic", "detail": "must have at least 3 characters"},
        {"pointer": "#/customer/email", "detail": "must be a string"},
        {"pointer": "#/links/1", "detail": "must be an integer"},
    ]
    assert b"canary" not in answer.body
    assert b"987654" not in answer.body


async def test_a_wrong_query_parameter_is_pointed_out_below_query():
    """Where the value came from is the pointer's first member when it was not the body."""
    async with serve(application()) as url:
        answer = await ask(url, head("/query?limit=201"))
    assert answer.problem["errors"] == [{"pointer": "#/query/limit", "detail": "must be at most 200"}]


async def test_an_unreadable_body_is_a_400():
    """What is no JSON is not a matter of single values."""
    async with serve(application()) as url:
        answer = await ask(url, post(b'{"topic": ', target="/asks"))
    assert (answer.status, answer.problem["type"]) == (400, "/problems/unreadable-body")


async def test_an_unknown_path_and_an_unknown_method_are_problems_too():
    """404 and 405 come as problem documents; 405 keeps `Allow`."""
    async with serve(application()) as url:
        missing = await ask(url, head("/nowhere"))
        wrong = await ask(url, head("/echo", "PUT"))
    assert (missing.status, missing.problem["type"]) == (404, "about:blank")
    assert (wrong.status, wrong.problem["title"]) == (405, "Method Not Allowed")
    assert wrong.headers["allow"] == "POST"


def test_only_the_texts_of_our_own_validators_are_passed_on():
    """A custom error of ours has its own sentence; any other kind is just not valid."""
    problem = validation_problem(
        [
            {"type": "assistance", "loc": ("topic",), "msg": "must be one of ours"},
            {"type": "value_error", "loc": ("metadata", "a/b c"), "msg": "Value error, canary"},
        ]
    )
    assert problem.extensions["errors"] == [
        {"pointer": "#/topic", "detail": "must be one of ours"},
        {"pointer": "#/metadata/*", "detail": "is not valid"},
    ]


@pytest.mark.parametrize(("status", "title"), [(413, "Content Too Large"), (422, "Unprocessable Content")])
def test_titles_are_those_of_the_standard_on_every_python(status: int, title: str):
    """They are those of RFC 9110, whatever this Python has."""
    assert json.loads(Problem(status).body("r"))["title"] == title


def test_a_document_survives_any_text():
    """Lone surrogates in an extension do not break the answer."""
    assert json.loads(Problem(409, by="\ud800x").body("r"))["by"] == "?x"


def test_every_type_of_problem_is_documented_and_no_other():
    """The types in the code and those in docs/problems.md are the same."""
    root = Path(__file__).parents[2]
    source = "".join(path.read_text() for path in (root / "src").rglob("*.py"))
    page = (root / "docs/problems.md").read_text()
    used = set(re.findall(r'"(/problems/[a-z-]+)"', source))
    assert used == set(re.findall(r"^\| `(/problems/[a-z-]+)`", page, re.MULTILINE))
