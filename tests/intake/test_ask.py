"""What a bot may send."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assistance.intake import Ask
from assistance.model import Customer, Link, Priority


def ask(**more: Any) -> Ask:
    return Ask.model_validate({"topic": "sales", "description": "Help", **more})


def wrong(**more: Any) -> list[tuple[str, str]]:
    """Where and how a body is wrong."""
    with pytest.raises(ValidationError) as caught:
        ask(**more)
    errors = caught.value.errors(include_url=False, include_input=False)
    return [("/".join(map(str, error["loc"])), error["type"]) for error in errors]


def test_topic_and_description_are_enough():
    """The least that a bot can say."""
    least = ask()
    assert (least.topic, least.description, least.priority) == ("sales", "Help", Priority.NORMAL)
    assert least.ignored() == []
    assert least.who() is None
    assert least.pages() == ()


@pytest.mark.parametrize("field", ["topic", "description"])
def test_topic_and_description_must_be_there(field: str):
    """Without either there is nobody to notify, or nothing to say."""
    with pytest.raises(ValidationError):
        Ask.model_validate(dict.fromkeys({"topic", "description"} - {field}, "x"))


@pytest.mark.parametrize(
    ("field", "most"), [("topic", 100), ("description", 10_000), ("conversation_id", 255), ("callback", 200)]
)
def test_texts_have_their_limits_in_characters(field: str, most: int):
    """The longest fits, in any script; one more does not."""
    assert getattr(ask(**{field: "\U0001f600" * most}), field) == "\U0001f600" * most
    assert wrong(**{field: "x" * (most + 1)}) == [(field, "string_too_long")]


@pytest.mark.parametrize(
    ("field", "most"), [("name", 200), ("email", 320), ("phone", 200), ("locale", 200), ("timezone", 200)]
)
def test_what_is_known_of_the_customer_has_limits(field: str, most: int):
    """The longest fits; one more does not."""
    assert ask(customer={field: "x" * most}).who() == Customer(**{field: "x" * most})
    assert wrong(customer={field: "x" * (most + 1)}) == [(f"customer/{field}", "string_too_long")]


@pytest.mark.parametrize("field", ["topic", "description", "conversation_id"])
def test_an_empty_text_is_none(field: str):
    """What must say something does not say nothing."""
    assert wrong(**{field: ""}) == [(field, "string_too_short")]


@pytest.mark.parametrize("blank", [" ", "\n\t\r\n", "\u00a0\u2003", "\u3000"])
def test_a_description_of_white_space_says_nothing(blank: str):
    """White space of any script is not a request."""
    assert wrong(description=blank) == [("description", "assistance")]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip))
def test_a_description_is_kept_as_sent(text: str):
    """White space around it, controls, line ends and marks included."""
    assert ask(description=text).description == text


@pytest.mark.parametrize(
    "more",
    [
        {"topic": "a\0"},
        {"description": "a\0b"},
        {"conversation_id": "\0"},
        {"callback": "\0"},
        {"customer": {"name": "\0"}},
        {"customer": {"email": "\0"}},
        {"links": [{"label": "\0", "url": "https://a.example"}]},
        {"links": [{"label": "a", "url": "https://a.example/\0"}]},
        {"metadata": {"a": "\0"}},
        {"metadata": {"a\0b": 1}},
        {"metadata": {"\0": "a"}},
    ],
)
def test_nul_is_refused_wherever_it_stands(more: dict[str, Any]):
    """No database and no provider carries it; the sentence says what is wrong."""
    with pytest.raises(ValidationError) as caught:
        ask(**more)
    (error,) = caught.value.errors(include_url=False)
    assert (error["type"], error["msg"]) == ("assistance", "must not contain the character NUL")


@pytest.mark.parametrize("value", [1, True, 1.5, ["x"], {"a": "x"}, b"x"])
def test_a_text_is_a_text(value: object):
    """Nothing is turned into one."""
    assert wrong(description=value) == [("description", "string_type")]


def test_unknown_fields_are_named_and_cost_nothing():
    """At every depth, by their place; whatever they are called."""
    asked = ask(
        colour="red",
        customer={"name": "Ana", "age": 40},
        links=[{"label": "a", "url": "https://a.example"}, {"label": "b", "url": "https://b.example", "title": {}}],
        ignored=1,
        who=None,
        model_fields=[],
        __class__="x",
    )
    assert set(asked.ignored()) == {
        "colour",
        "customer.age",
        "links.1.title",
        "ignored",
        "who",
        "model_fields",
        "__class__",
    }
    assert asked.who() == Customer("Ana")
    assert asked.pages() == (Link("a", "https://a.example"), Link("b", "https://b.example"))


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "http://a.example:8080/x?y=z#w",
        "HTTPS://A.EXAMPLE/",
        "https://münchen.example/ü",
        "https://[::1]/",
    ],
)
def test_links_are_web_links(url: str):
    """Kept as they were written."""
    assert ask(links=[{"label": "x", "url": url}]).pages() == (Link("x", url),)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://a.example",
        "//a.example",
        "http:a.example",
        "https:///a.example",
        " https://a.example",
        "https://a.example\n",
        "https://a.example/a b",
        "https://",
        "https://a.example:99999",
    ],
)
def test_other_links_are_refused(url: str):
    """What is no page on the web helps nobody, and may harm."""
    assert [place for place, _ in wrong(links=[{"label": "x", "url": url}])] == ["links/0/url"]


def test_links_have_their_limits():
    """Twenty of them, with a label each."""
    link = {"label": "x", "url": "https://a.example"}
    assert len(ask(links=[link] * 20).pages()) == 20
    assert wrong(links=[link] * 21) == [("links", "too_long")]
    assert wrong(links=[{**link, "label": ""}]) == [("links/0/label", "string_too_short")]
    assert wrong(links=[{"label": "x", "url": "https://a.example/" + "x" * 2_083}]) == [
        ("links/0/url", "string_too_long")
    ]


def test_metadata_is_flat_and_comes_back_as_it_was_sent():
    """Text, numbers of any size, true, false and null, each with its own type."""
    value = {"a": "ü", "b": 1, "c": 1.0, "d": True, "e": None, "f": 10**30, "g": -0.5, "": "x"}
    metadata = ask(metadata=value).metadata
    assert metadata == value
    assert [type(each) for each in (metadata or {}).values()] == [type(each) for each in value.values()]


@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}, float("inf"), float("nan")])
def test_metadata_is_not_nested_and_its_numbers_are_finite(value: object):
    """One error, at the member that is wrong."""
    assert wrong(metadata={"fine": 1, "odd": value}) == [("metadata/odd", "assistance")]


def test_metadata_is_measured_as_the_json_that_was_sent():
    """4 KB of UTF-8: neither escapes nor Python's way of writing count."""
    frame = len('{"a":""}')
    assert ask(metadata={"a": "x" * (4096 - frame)}).metadata
    assert wrong(metadata={"a": "x" * (4097 - frame)}) == [("metadata", "assistance")]
    assert ask(metadata={"a": "ü" * ((4096 - frame) // 2)}).metadata
    assert wrong(metadata={"a": "ü" * (4096 // 2)}) == [("metadata", "assistance")]
    many = {f"k{n:03}": None for n in range(300)}
    assert ask(metadata=many).metadata == many


def test_a_name_in_the_metadata_has_its_limit():
    """200 characters."""
    assert ask(metadata={"k" * 200: 1}).metadata
    assert [kind for _, kind in wrong(metadata={"k" * 201: 1})] == ["string_too_long"]


@pytest.mark.parametrize(("value", "seconds"), [(1, 1), (2_592_000, 2_592_000), (60.0, 60), (None, None)])
def test_it_may_expire_within_a_month(value: object, seconds: int | None):
    """Whole seconds, however JSON writes them."""
    assert ask(expires_in=value).expires_in == seconds


@pytest.mark.parametrize("value", [0, -1, 2_592_001, 1.5, True, "60", float("inf"), [60]])
def test_it_does_not_expire_in_nonsense(value: object):
    """Nor later than a month, nor before now."""
    assert [place for place, _ in wrong(expires_in=value)] == ["expires_in"]


@pytest.mark.parametrize("value", ["Urgent", "high", 1, True, []])
def test_a_priority_is_normal_or_urgent(value: object):
    """Nothing else, and no other case."""
    assert ask(priority="urgent").priority is Priority.URGENT
    assert [place for place, _ in wrong(priority=value)] == ["priority"]


def test_null_is_as_good_as_nothing():
    """Whatever may be left out may be null, as serializers write it; the document says so of each."""
    schema = Ask.model_json_schema()
    optional = schema["properties"].keys() - set(schema["required"])
    assert ask(**dict.fromkeys(optional)).model_dump() == ask().model_dump()
    assert {name for name in optional if {"type": "null"} in schema["properties"][name].get("anyOf", [])} == optional
    assert schema["properties"]["priority"]["default"] == "normal"


def test_nothing_of_the_input_stands_in_an_error_of_ours():
    """The customer's text is not repeated in logs."""
    with pytest.raises(ValidationError) as caught:
        ask(description="a secret\0", links=[{"label": "x", "url": "a secret"}], metadata={"a": ["a secret"]})
    assert "secret" not in str(caught.value)


def test_the_document_calls_things_by_their_names():
    """The schema that bots read: limits, and no name of ours that says nothing."""
    schema = Ask.model_json_schema()
    assert set(schema["$defs"]) == {"AskCustomer", "AskLink", "Priority"}
    assert schema["required"] == ["topic", "description"]
    description = schema["properties"]["description"]
    assert (description["minLength"], description["maxLength"]) == (1, 10_000)
