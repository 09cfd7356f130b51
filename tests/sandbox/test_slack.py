"""The fake Slack, called as any client calls Slack: what it takes, and what it refuses in Slack's own words."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest

from assistance.sandbox.slack import FakeSlack

Call = Callable[..., Coroutine[Any, Any, tuple[int, Mapping[str, str], dict[str, Any]]]]


async def test_a_posted_message_is_answered_and_kept_as_slack_does(post: Call, slack: FakeSlack) -> None:
    """The answer names channel and ts, and the message is kept as it was sent, with its time."""
    status, headers, body = await post(slack, metadata={"event_type": "x", "event_payload": {"key": "k"}})
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert body["ok"] is True
    [message] = slack.messages
    assert (body["channel"], body["ts"]) == ("C0SALES", message.ts)
    assert message.payload["metadata"]["event_payload"] == {"key": "k"}
    assert message.received_at == pytest.approx(float(message.ts), abs=1)


@pytest.mark.parametrize(
    ("token", "error"), [(None, "not_authed"), ("xoxb-other", "invalid_auth"), ("xoxb-revoked", "invalid_auth")]
)
async def test_a_token_that_it_does_not_know_is_refused(
    call: Call, slack: FakeSlack, token: str | None, error: str | None
) -> None:
    """Without token or with a wrong one nothing is taken, and HTTP says 200 as Slack does."""
    status, _, body = await call(slack, token=token, channel="C0SALES", text="hello")
    assert (status, body, slack.messages) == (200, {"ok": False, "error": error}, [])


@pytest.mark.parametrize(("channel", "error"), [("C0ANYTHING", None), ("sales", "channel_not_found")])
async def test_without_lists_any_token_and_any_channel_id_will_do(call: Call, channel: str, error: str | None) -> None:
    """A channel's name in place of its id is found out all the same."""
    async with FakeSlack() as slack:
        _, _, body = await call(slack, token="xoxb-any", channel=channel, text="hello")
    assert body.get("error") == error


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"channel": "C0OTHER"}, "channel_not_found"),
        ({"channel": None}, "channel_not_found"),
        ({"text": ""}, "no_text"),
        ({"text": " \n"}, "no_text"),
        ({"text": "x" * 40_000}, None),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": 5}, "invalid_arguments"),
        ({"blocks": {"type": "section"}}, "invalid_blocks_format"),
        ({"blocks": [{"type": "divider"}] * 50}, None),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "poem"}]}, "invalid_blocks"),
        ({"blocks": [section("x" * 3_000)]}, None),
        ({"blocks": [section("x" * 3_001)]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2_001}]}]}, "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        (
            {
                "blocks": [
                    {
                        "type": "actions",
                        "elements": [
                            {"type": "button", "text": {"type": "plain_text", "text": "x"}, "value": "x" * 2_001}
                        ],
                    }
                ]
            },
            "invalid_blocks",
        ),
        ({"blocks": [section("x" * 2_640)] * 5}, None),
        ({"blocks": [section("x" * 2_641)] * 5}, "msg_blocks_too_long"),
    ],
)
async def test_slacks_limits_are_kept_to_the_character(
    post: Call, slack: FakeSlack, payload: dict[str, Any], error: str | None
) -> None:
    """At the limit a message is taken, one above it is refused by Slack's own name of the error."""
    _, _, body = await post(slack, **payload)
    assert body.get("error") == error
    assert len(slack.messages) == (error is None)


async def test_invalid_blocks_are_explained(post: Call, slack: FakeSlack) -> None:
    """The answer points at the block, as Slack's `response_metadata` does."""
    _, _, body = await post(slack, blocks=[section("x" * 3_001)])
    assert body["response_metadata"]["messages"] == [
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    ]


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("application/json", b"{", "invalid_json"),
        ("application/json", b"[]", "json_not_object"),
        ("application/json", b'{"channel": ["C0SALES"]}', "channel_not_found"),
    ],
)
async def test_a_body_that_makes_no_sense_is_named(
    http: aiohttp.ClientSession, slack: FakeSlack, kind: str, body: bytes, error: str
) -> None:
    """What cannot be read is refused by Slack's name of it, never by a failure of the fake."""
    headers = {"Authorization": "Bearer xoxb-test", "Content-Type": kind}
    async with http.post(slack.api_url + "chat.postMessage", data=body, headers=headers) as answer:
        assert (await answer.json())["error"] == error


async def test_other_methods_answer_as_slack_does(call: Call, slack: FakeSlack) -> None:
    """`auth.test` knows who, an unknown method is named."""
    assert (await call(slack, "auth.test"))[2]["team"] == "Sandbox"
    unknown = {"ok": False, "error": "unknown_method", "req_method": "chat.sing"}
    assert (await call(slack, "chat.sing"))[2] == unknown


async def test_an_update_changes_the_message_in_place(call: Call, post: Call, slack: FakeSlack) -> None:
    """`chat.update` rewrites the message that its ts names, and drops old blocks when the new text has none."""
    _, _, posted = await post(slack, blocks=[section("old")])
    _, _, body = await call(slack, "chat.update", channel="C0SALES", ts=posted["ts"], text="new")
    assert body["ok"] is True
    [message] = slack.messages
    assert (message.text, message.blocks, message.ts) == ("new", [], posted["ts"])
    assert message.edited_at is not None


async def test_an_update_of_no_message_is_refused(call: Call, slack: FakeSlack) -> None:
    """A ts that was never given is `message_not_found`."""
    _, _, body = await call(slack, "chat.update", channel="C0SALES", ts="1.000001", text="new")
    assert body["error"] == "message_not_found"


async def test_every_message_has_its_own_ts(post: Call, slack: FakeSlack) -> None:
    """Messages of one instant never share a ts."""
    answers = await asyncio.gather(*(post(slack) for _ in range(50)))
    assert len({body["ts"] for _, _, body in answers}) == 50
