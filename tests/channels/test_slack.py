"""Slack's own ways: its errors, its limits, its markup."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.raw_http import RawHttp, answer

from assistance.channels.slack import Slack
from assistance.model import Kind, Link, Message, Misconfigured, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http
from assistance.sandbox.slack import FakeSlack, Fault

MESSAGE = Message(key="k.1", kind=Kind.NOTICE, title="Customer asks", body="Hello", created_at=1_795_435_200.0)
CREDENTIALS = ["invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"]
CREDENTIALS += ["no_permission", "access_denied", "enterprise_is_restricted"]
DESTINATION = ["channel_not_found", "not_in_channel", "is_archived", "restricted_action"]
DESTINATION += ["restricted_action_read_only_channel", "restricted_action_thread_only_channel"]
LATER = ["request_timeout", "service_unavailable", "team_added_to_org", "fatal_error", "internal_error"]
ERRORS: list[tuple[type[Verdict], Reason, list[str]]] = [
    (TryLater, Reason.RATE_LIMITED, ["ratelimited", "rate_limited"]),
    (TryLater, Reason.SERVER_ERROR, LATER),
    (TryLater, Reason.OTHER, ["an_error_of_next_year"]),
    (Misconfigured, Reason.CREDENTIALS, CREDENTIALS),
    (Misconfigured, Reason.DESTINATION, DESTINATION),
    (Undeliverable, Reason.TOO_LONG, ["msg_too_long", "msg_blocks_too_long"]),
    (Undeliverable, Reason.REJECTED, ["no_text", "too_many_attachments", "invalid_blocks", "invalid_arguments"]),
]


def slack_at(api_url: str, token: str = "xoxb-test", channel: str = "C0SALES") -> Slack:
    settings = {"token": "env:TOKEN", "channel": channel, "api_url": api_url}
    return Slack.model_validate(settings, context={"environ": {"TOKEN": token}})


@pytest.fixture
async def fake() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(tokens={"xoxb-test"}, channels={"C0SALES"}) as found:
        yield found


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "reason", "error"), [(kind, reason, error) for kind, reason, errors in ERRORS for error in errors]
)
async def test_each_error_is_in_its_class(kind: type[Verdict], reason: Reason, error: str, http: Http) -> None:
    """`ok: false` comes with HTTP 200; the name of the error decides, and an unknown one is tried again."""
    said = answer(200, {"ok": False, "error": error}, Retry_After="9")
    async with RawHttp(lambda _: said) as server:
        with pytest.raises(kind) as caught:
            await slack_at(server.url).send(MESSAGE, http)
    assert (type(caught.value), caught.value.reason, caught.value.code) == (kind, reason, error)
    assert caught.value.after == (9.0 if kind is TryLater else None)


@pytest.mark.parametrize("error", ["", "<!channel>", "what the customer wrote", "a" * 81])
async def test_what_is_no_name_of_an_error_is_not_repeated(error: str, http: Http) -> None:
    """The name goes into logs and metrics; anything else in its place may be the message itself."""
    async with RawHttp(lambda _: answer(200, {"ok": False, "error": error})) as server:
        with pytest.raises(TryLater) as caught:
            await slack_at(server.url).send(MESSAGE, http)
    assert (caught.value.reason, caught.value.code) == (Reason.OTHER, "no_name_of_an_error")


@pytest.mark.parametrize(
    "said", [{}, {"ok": True}, {"ok": "true"}, {"ok": True, "ts": "1"}, {"ok": False}, {"ok": None, "error": ["x"]}]
)
async def test_half_an_answer_is_no_delivery(said: dict[str, Any], http: Http) -> None:
    """Whatever is missing in an answer, the message is tried again."""
    async with RawHttp(lambda _: answer(200, said)) as server:
        with pytest.raises(TryLater):
            await slack_at(server.url).send(MESSAGE, http)


async def test_a_wrong_token_and_a_wrong_channel_park(fake: FakeSlack, http: Http) -> None:
    """The fake says what Slack says, and both are the operator's to mend."""
    with pytest.raises(Misconfigured) as token:
        await slack_at(fake.api_url, token="xoxb-other").send(MESSAGE, http)
    with pytest.raises(Misconfigured) as channel:
        await slack_at(fake.api_url, channel="C0OTHER").send(MESSAGE, http)
    assert (token.value.code, channel.value.code) == ("invalid_auth", "channel_not_found")


async def test_the_call_is_what_slack_expects(fake: FakeSlack, http: Http) -> None:
    """No parsing, no link names, no unfurling, our key in the metadata; the reference is channel and ts."""
    reference = await slack_at(fake.api_url.rstrip("/")).send(MESSAGE, http)
    (message,) = fake.messages
    expected = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
    assert expected.items() <= message.payload.items()
    assert message.payload["metadata"] == {"event_type": "assistance_request", "event_payload": {"key": "k.1"}}
    assert reference == f"C0SALES:{message.ts}"
    assert "token" not in message.payload


async def test_every_try_is_the_same(fake: FakeSlack, http: Http) -> None:
    """Two tries of one message differ in nothing."""
    channel = slack_at(fake.api_url)
    fake.script(Fault(error="internal_error", after_accept=True))
    with pytest.raises(TryLater):
        await channel.send(MESSAGE, http)
    await channel.send(MESSAGE, http)
    first, second = fake.messages
    assert first.payload == second.payload


async def test_a_reply_goes_to_the_thread_and_an_edit_to_the_message(fake: FakeSlack, http: Http) -> None:
    """The reference leads back to the message, for both."""
    channel = slack_at(fake.api_url)
    reference = await channel.send(MESSAGE, http)
    assert reference
    below = await channel.reply_to(reference, replace(MESSAGE, key="k.2", body="More"), http)
    await channel.update(reference, replace(MESSAGE, key="k.3", title="Ana has it, 14:02"), http)
    notice, reply = fake.messages
    assert (reply.thread_ts, below) == (notice.ts, f"C0SALES:{reply.ts}")
    assert notice.blocks[0]["text"]["text"] == "Ana has it, 14:02"
    assert notice.edited_at is not None


async def test_an_edit_of_a_message_that_is_gone_is_not_tried_for_days(fake: FakeSlack, http: Http) -> None:
    """A person has removed it: there is nothing to rewrite, now or later."""
    with pytest.raises(Undeliverable) as caught:
        await slack_at(fake.api_url).update("C0SALES:1.000000", MESSAGE, http)
    assert caught.value.code == "message_not_found"


async def test_an_edit_without_blocks_takes_the_old_ones_away(fake: FakeSlack, http: Http) -> None:
    """The short form leaves no block of the long one standing."""
    channel = slack_at(fake.api_url)
    reference = await channel.send(MESSAGE, http)
    await channel.update(reference or "", replace(MESSAGE, short=True), http)
    assert fake.messages[0].blocks == []


async def test_the_largest_message_fits(fake: FakeSlack, http: Http) -> None:
    """Every part at its longest stays within Slack's limits; only the customer's words are cut, and it says so."""
    message = replace(
        MESSAGE,
        title="T" * 1_000,
        body="palabra " * 5_000,
        fields=tuple((f"Label {n}", "v" * 5_000) for n in range(60)),
        links=tuple(Link(f"Label {n}" * 50, "https://x.example/" + "p" * 900) for n in range(60)),
        urgent=True,
        since="Since",
        rest="… The rest is in the service.",
    )
    await slack_at(fake.api_url).send(message, http)
    (arrived,) = fake.messages
    texts = json.dumps(arrived.blocks, ensure_ascii=False)
    assert "The rest is in the service." in texts
    assert texts.count("palabra") > 500
    assert texts.count("Label 0: v") == 1


async def test_ten_thousand_characters_arrive_whole(fake: FakeSlack, http: Http) -> None:
    """The longest description that is accepted needs no cut, and is broken between words."""
    body = ("palabra " * 1_250).strip()
    await slack_at(fake.api_url).send(replace(MESSAGE, body=body), http)
    pieces = [block["text"]["text"] for block in fake.messages[0].blocks if "palabra" in str(block.get("text"))]
    assert "".join(pieces) == body
    assert all(len(piece) <= 3_000 and piece.endswith((" ", "palabra")) for piece in pieces)


async def test_the_short_form_is_text_alone(fake: FakeSlack, http: Http) -> None:
    """What Slack refused as blocks goes once more as plain, escaped text of 3,000 characters."""
    await slack_at(fake.api_url).send(replace(MESSAGE, body="<!channel> & " * 1_000, short=True), http)
    (arrived,) = fake.messages
    assert (arrived.blocks, arrived.payload["mrkdwn"]) == ([], False)
    assert arrived.text.startswith("Customer asks\n\n&lt;!channel&gt; &amp; ")
    assert len(arrived.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) <= 3_000


async def test_links_are_links_and_nothing_else(fake: FakeSlack, http: Http) -> None:
    """A link shows its label; what could end it early is escaped; other schemes are left out."""
    links = (
        Link("a|b>c", "https://x.example/?q=a|b>c&d=<e>"),
        Link("x", "javascript:alert(1)"),
        Link("", "http://y.example"),
    )
    await slack_at(fake.api_url).send(replace(MESSAGE, links=links), http)
    text = next(
        block["text"]["text"] for block in fake.messages[0].blocks if block.get("text", {}).get("type") == "mrkdwn"
    )
    assert text.splitlines() == [
        "<https://x.example/?q=a%7Cb%3Ec&amp;d=%3Ce%3E|a|b&gt;c>",
        "<http://y.example|http://y.example>",
    ]


async def test_the_time_is_shown_in_the_zone_of_each_reader(fake: FakeSlack, http: Http) -> None:
    """With the label that the message brings; without a label there is no time."""
    await slack_at(fake.api_url).send(replace(MESSAGE, since="Since"), http)
    await slack_at(fake.api_url).send(MESSAGE, http)
    labelled, bare = (message.blocks for message in fake.messages)
    date = "<!date^1795435200^{date_short_pretty} {time}|2026-11-23 12:00 UTC>"
    assert labelled[-1]["elements"] == [{"type": "mrkdwn", "text": f"Since {date}"}]
    assert bare == labelled[:-1]


async def test_an_urgent_message_is_seen_to_be_urgent(fake: FakeSlack, http: Http) -> None:
    """The title carries the mark."""
    await slack_at(fake.api_url).send(replace(MESSAGE, urgent=True), http)
    assert fake.messages[0].blocks[0]["text"]["text"] == "🚨 Customer asks"


async def test_a_missing_scope_is_named(http: Http) -> None:
    """What Slack says is needed stands in the verdict, the token does not."""
    said = answer(200, {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "xoxb-test"})
    async with RawHttp(lambda _: said) as server:
        with pytest.raises(Misconfigured) as caught:
            await slack_at(server.url).probe(http)
    assert "chat:write" in (caught.value.answer or "")
    assert "xoxb-test" not in (caught.value.answer or "")


async def test_the_probe_asks_who_we_are(fake: FakeSlack, http: Http) -> None:
    """`auth.test` and no message."""
    await slack_at(fake.api_url).probe(http)
    assert ([call.method for call in fake.calls], fake.messages) == (["auth.test"], [])
