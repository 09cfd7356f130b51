"""`POST /assistance` over real sockets: what is taken, what is refused, and that it arrives."""

import asyncio
import json
import re
from collections import Counter
from typing import Any

import pytest
from tests.fakes.clock import until
from tests.fakes.service import Service

from assistance.model import MOST_FOLLOW_UPS


@pytest.mark.main_flow
async def test_a_sales_request_reaches_slack_and_says_so(service: Service):
    """Sales goes to Slack; the bot sees it notified and the failover to mail still planned."""
    asked = await service.ask("Sales", "I want <!channel> & <@U1>", customer={"name": "Ana"}, metadata={"plan": "pro"})
    assert asked["topic"] == "sales"
    assert asked["metadata"] == {"plan": "pro"}
    assert asked["ignored"] == []
    seen = await service.when(asked["id"], "notified")
    assert seen["notified"] is True
    assert [(each["channel"], each["state"]) for each in seen["deliveries"]] == [
        ("sales-slack", "delivered"),
        ("pricing-mail", "pending"),
    ]
    (message,) = service.slack.messages
    assert "<!channel>" not in message.text
    assert "I want &lt;!channel&gt; &amp; &lt;@U1&gt;" in message.text


@pytest.mark.main_flow
async def test_a_pricing_request_reaches_the_mailbox(service: Service):
    """Pricing goes out by SMTP, with a Message-ID made of the delivery's key."""
    asked = await service.ask("pricing", "¿Cuánto cuesta? 💶\r\nBcc: evil@example.com")
    await service.when(asked["id"], "notified")
    (mail,) = service.smtp.messages
    assert list(mail.recipients) == ["pricing@example.com"]
    assert mail.message["Message-ID"] == f"<{asked['id']}.1@example.com>"
    assert mail.message["Bcc"] is None
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert "¿Cuánto cuesta? 💶" in body.get_content()


async def test_the_answer_is_201_with_its_location(service: Service):
    """The answer says where the request is, under an id of UUID version 7."""
    status, body, answer = await service.call("POST", "/assistance", json={"topic": "sales", "description": "x"})
    assert status == 201
    assert answer.headers["Location"] == f"/assistance/{body['id']}"
    assert body["id"][14] == "7"
    assert body["links"] == {"self": f"/assistance/{body['id']}", "events": f"/assistance/{body['id']}/events"}
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"topic": "sales"}, 422, "#/description"),
        ({"description": "x"}, 422, "#/topic"),
        ({"topic": "sales", "description": ""}, 422, "#/description"),
        ({"topic": "sales", "description": " \n\t "}, 422, "#/description"),
        ({"topic": "sales", "description": "x" * 10_001}, 422, "#/description"),
        ({"topic": "sales", "description": "a\x00b"}, 422, "#/description"),
        ({"topic": "sales", "description": 7}, 422, "#/description"),
        ({"topic": 7, "description": "x"}, 422, "#/topic"),
        ({"topic": "sales", "description": "x", "priority": "asap"}, 422, "#/priority"),
        ({"topic": "sales", "description": "x", "metadata": {"a": {"b": 1}}}, 422, None),
        ({"topic": "sales", "description": "x", "metadata": {"a": "x" * 5000}}, 422, "#/metadata"),
        ({"topic": "sales", "description": "x", "links": [{"label": "l", "url": "javascript:alert(1)"}]}, 422, None),
        ({"topic": "sales", "description": "x", "callback": "https://evil.example"}, 422, "#/callback"),
        ({"topic": "sales", "description": "x", "expires_in": 0}, 422, "#/expires_in"),
        (["topic"], 422, None),
    ],
)
async def test_an_invalid_body_is_refused_by_pointer_and_never_echoed(
    service: Service, body: Any, status: int, pointer: str | None
):
    """Validation names the place, in a problem document that does not repeat the input."""
    code, problem, answer = await service.call("POST", "/assistance", json=body)
    assert code == status
    assert answer.content_type == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    if pointer:
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert "javascript" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"topic":"sales","description":"\xff"}', "application/json", 400),
        (b'{"topic":"sales","description":"\\ud800"}', "application/json", 400),
        (b'{"topic":"sales","description":"x","metadata":{"a":NaN}}', "application/json", 400),
        (b'{"topic":"sales","description":"x","topic":"pricing"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"topic":"sales","description":"x","metadata":{"n":' + b"9" * 5000 + b"}}", "application/json", 400),
        (b"topic=sales", "application/x-www-form-urlencoded", 415),
        (b"{}", "", 415),
    ],
)
async def test_an_unreadable_body_is_a_plain_4xx(service: Service, body: bytes, kind: str, status: int):
    """What is not JSON, or would not survive a round trip, is refused with 400; other media types with 415."""
    code, problem, _ = await service.call("POST", "/assistance", data=body, headers={"Content-Type": kind})
    assert (code, problem["status"]) == (status, status)


async def test_an_unknown_topic_names_those_that_are_allowed(service: Service):
    """400, `Invalid topic`, with the topics that this token may use."""
    code, problem, _ = await service.call("POST", "/assistance", json={"topic": "nope", "description": "x"})
    assert (code, problem["detail"], problem["allowed_topics"]) == (400, "Invalid topic", ["pricing", "sales"])
    code, problem, _ = await service.call(
        "POST", "/assistance", json={"topic": "nope", "description": "x"}, scope="request-assistance:sales"
    )
    assert problem["allowed_topics"] == ["sales"]


async def test_unknown_fields_are_taken_and_named(service: Service):
    """A stray field never costs a customer."""
    asked = await service.ask(colour="red", customer={"name": "Ana", "age": 7})
    assert asked["ignored"] == ["colour", "customer.age"]


async def test_ten_thousand_astral_characters_arrive(service: Service):
    """The longest description fits the body limit in any script, and reaches the mailbox as it was sent."""
    text = "\N{LARGE BLUE CIRCLE}" * 10_000
    asked = await service.ask("pricing", text)
    await service.when(asked["id"], "notified")
    body = service.smtp.messages[-1].message.get_body(("plain",))
    assert body is not None
    assert text in body.get_content().replace("\n", "")


async def test_a_body_above_192_kb_is_refused(service: Service):
    """413 as a problem document, declared or chunked."""
    big = b'{"description":"' + b"x" * 197_000 + b'"}'
    code, problem, _ = await service.call("POST", "/assistance", data=big, headers={"Content-Type": "application/json"})
    assert (code, problem["status"]) == (413, 413)


@pytest.mark.main_flow
async def test_the_same_key_gives_the_same_answer(service: Service):
    """White space, key order and quotes around the key make no difference; nothing is sent twice."""
    body = {"topic": "pricing", "description": "once"}
    first, answer, _ = await service.call("POST", "/assistance", json=body, headers={"Idempotency-Key": "k1"})
    await service.when(answer["id"], "notified")
    spaced = json.dumps(dict(reversed(body.items())), indent=3)
    headers = {"Idempotency-Key": '"k1"', "Content-Type": "application/json"}
    second, again, replay = await service.call("POST", "/assistance", data=spaced, headers=headers)
    assert (first, second, again) == (201, 201, answer)
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.headers["Location"] == f"/assistance/{answer['id']}"
    assert len(service.smtp.messages) == 1


async def test_the_same_key_with_another_body_is_refused(service: Service):
    """422, and the first request stays as it was."""
    await service.ask(headers={"Idempotency-Key": "k2"})
    code, problem, _ = await service.call(
        "POST", "/assistance", json={"topic": "sales", "description": "other"}, headers={"Idempotency-Key": "k2"}
    )
    assert (code, problem["title"]) == (422, "Idempotency key reused")


async def test_the_same_key_of_another_client_is_another_key(service: Service):
    """Keys are per client."""
    mine = await service.ask(headers={"Idempotency-Key": "k3"})
    theirs = await service.ask(headers={"Idempotency-Key": "k3"}, sub="bot-2")
    assert mine["id"] != theirs["id"]


@pytest.mark.main_flow
async def test_twenty_concurrent_calls_with_one_key_are_one_request(service: Service):
    """However many arrive at once, one request comes of it."""
    asked = await asyncio.gather(*(service.ask(headers={"Idempotency-Key": "k4"}) for _ in range(20)))
    assert len({each["id"] for each in asked}) == 1


@pytest.mark.parametrize("key", ["", '""', "a b", "ü", "x" * 256, '"unclosed'])
async def test_a_malformed_key_is_refused(service: Service, key: str):
    """1 to 255 visible ASCII characters, else 400; the lone quote is a visible character and may pass."""
    code, _, _ = await service.call(
        "POST", "/assistance", json={"topic": "sales", "description": "x"}, headers={"Idempotency-Key": key}
    )
    assert code == (201 if key == '"unclosed' else 400)


GOOD = {"topic": "sales", "description": "x"}
REFUSED: list[tuple[int, str, dict[str, Any]]] = [
    (400, "unknown", {"json": {**GOOD, "topic": "nope"}}),
    (400, "unknown", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    (400, "unknown", {"json": GOOD, "headers": {"Idempotency-Key": ""}}),
    (401, "unknown", {"json": GOOD, "headers": {"Authorization": "Bearer x"}}),
    (403, "unknown", {"json": GOOD, "scope": "ping"}),
    (403, "unknown", {"json": GOOD, "scope": "request-assistance:pricing"}),
    (413, "unknown", {"data": b"x" * 200_000}),
    (415, "unknown", {"data": b"{}"}),
    (422, "unknown", {"json": {**GOOD, "description": ""}}),
    (422, "sales", {"json": {**GOOD, "callback": "none"}}),
    (422, "sales", {"json": {**GOOD, "topic": "SALES"}, "headers": {"Idempotency-Key": "k5"}}),
    (431, "unknown", {"json": GOOD, "headers": {"X-Long": "x" * 17_000}}),
]


async def test_every_refusal_is_counted(service: Service):
    """Whichever layer refuses; under the topic where that is sure, and never under a name of the caller's."""
    await service.ask(headers={"Idempotency-Key": "k5"})
    for status, _, options in REFUSED:
        assert (await service.call("POST", "/assistance/", **options))[0] == status
    assert (await service.call("GET", "/assistance/nope"))[0] == 404
    assert (await service.call("PUT", "/assistance"))[0] == 405
    expected = Counter(topic for _, topic, _ in REFUSED)
    await until(lambda: refusals(service) == expected)


def refusals(service: Service) -> dict[str, int]:
    text = service.house.metrics.text().decode()
    found = re.findall(r'^assistance_requests_total\{outcome="refused",topic="(\w+)"\} (\d+)', text, re.MULTILINE)
    return {topic: int(count) for topic, count in found}


@pytest.mark.main_flow
async def test_a_conversation_is_one_request_with_follow_ups(service: Service):
    """The second call for an open conversation is 200, the same id, and a reply in the same thread."""
    first = await service.ask(conversation_id="c1", description="first")
    await service.when(first["id"], "notified")
    code, second, _ = await service.call(
        "POST", "/assistance", json={"topic": "sales", "description": "and second", "conversation_id": "c1"}
    )
    assert (code, second["id"]) == (200, first["id"])
    await service.slack.arrived(2)
    notice, update = service.slack.messages
    assert update.thread_ts == notice.ts
    assert "and second" in update.text
    other = await service.ask(conversation_id="c1", sub="bot-2")
    assert other["id"] != first["id"]


async def test_a_conversation_without_end_is_refused_as_such(service: Service):
    """409 with a type of its own, whether asked again or added; the request goes on."""
    first = await service.ask(conversation_id="c1")
    ask = {"topic": "sales", "description": "and more", "conversation_id": "c1"}
    asked = await asyncio.gather(*(service.call("POST", "/assistance", json=ask) for _ in range(MOST_FOLLOW_UPS)))
    assert {code for code, _, _ in asked} == {200}
    for path, body in (("/assistance", ask), (f"/assistance/{first['id']}/messages", {"text": "and more"})):
        code, problem, _ = await service.call("POST", path, json=body)
        assert (code, problem["type"]) == (409, "/problems/too-many-follow-ups")
    code, _, _ = await service.call("POST", f"/assistance/{first['id']}/claim")
    assert code == 200


async def test_prefer_wait_answers_when_a_channel_has_it(service: Service):
    """With `Prefer: wait=5` the bot knows before it speaks."""
    code, body, answer = await service.call(
        "POST", "/assistance", json={"topic": "sales", "description": "x"}, headers={"Prefer": "wait=5"}
    )
    assert (code, body["notified"], body["status"]) == (201, True, "notified")
    assert answer.headers["Preference-Applied"] == "wait=5"
