"""The fake Slack with faults, and what is left of the messages then."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest

from assistance.sandbox.slack import FakeSlack, Fault

Call = Callable[..., Coroutine[Any, Any, tuple[int, Mapping[str, str], dict[str, Any]]]]


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault(error="fatal_error"), 200, "fatal_error"),
        (Fault(status=503, error="service_unavailable"), 503, "service_unavailable"),
        (Fault(status=429, retry_after=7), 429, "ratelimited"),
        (Fault(retry_after=6.2), 429, "ratelimited"),
    ],
)
async def test_a_scripted_fault_spoils_one_call(
    post: Call, slack: FakeSlack, fault: Fault, status: int, error: str | None
) -> None:
    """The fault answers in Slack's place, takes nothing, is noted, and the next call is well."""
    slack.script(fault)
    spoilt, headers, body = await post(slack)
    assert (spoilt, body["error"], slack.messages) == (status, error, [])
    assert headers.get("Retry-After") == (None if fault.retry_after is None else "7")
    assert (await post(slack))[2]["ok"] is True
    assert [call.verdict for call in slack.calls] == [error, "ok"]


async def test_raw_bytes_and_plain_trouble_are_answered_as_they_are(
    post: Call, http: aiohttp.ClientSession, slack: FakeSlack
) -> None:
    """A malformed answer and a 5xx without JSON can be played."""
    slack.script(Fault(raw=b"<html>not json"), Fault(status=502))
    async with http.post(slack.api_url + "auth.test") as answer:
        assert (answer.status, await answer.read()) == (200, b"<html>not json")
    async with http.post(slack.api_url + "auth.test") as answer:
        assert answer.status == 502


async def test_a_standing_fault_lasts_until_it_is_taken_away(post: Call, slack: FakeSlack) -> None:
    """`always` spoils every call that the script does not, and None makes Slack well at once."""
    slack.always(Fault(error="internal_error"))
    slack.script(Fault(error="fatal_error"))
    assert [(await post(slack))[2]["error"] for _ in range(3)] == [
        "fatal_error",
        "internal_error",
        "internal_error",
    ]
    slack.always(None)
    assert (await post(slack))[2]["ok"] is True


async def test_a_dropped_connection_is_reset(post: Call, http: aiohttp.ClientSession, slack: FakeSlack) -> None:
    """The caller sees a reset; whether the message was taken is the fault's choice."""
    slack.script(Fault(drop=True), Fault(drop=True, after_accept=True))
    for taken in (0, 1):
        with pytest.raises(aiohttp.ClientOSError) as failure:
            await post(slack)
        assert isinstance(failure.value.__cause__ or failure.value, ConnectionResetError | aiohttp.ClientOSError)
        assert len(slack.messages) == taken


async def test_a_hanging_call_that_is_given_up_leaves_nothing(post: Call, slack: FakeSlack) -> None:
    """A caller that times out has sent nothing, unless the fault says that the message was taken first."""
    slack.script(Fault(hang=True), Fault(hang=True, after_accept=True))
    for taken in (0, 1):
        waiting = asyncio.create_task(post(slack))
        await slack.called(taken + 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert len(slack.messages) == taken
    assert (await post(slack))[2]["ok"] is True
    assert len(slack.messages) == 2


async def test_a_short_hang_only_delays(post: Call, slack: FakeSlack) -> None:
    """After the wait the usual answer comes, and the message is taken once."""
    slack.script(Fault(hang=0.01))
    assert (await post(slack))[2]["ok"] is True
    assert len(slack.messages) == 1


async def test_down_refuses_connections_and_up_takes_the_same_port(
    post: Call, http: aiohttp.ClientSession, slack: FakeSlack
) -> None:
    """While it is down nobody connects and what hangs is reset; afterwards the address is the old one."""
    slack.script(Fault(hang=True))
    waiting = asyncio.create_task(post(slack))
    await slack.called(1)
    await slack.down()
    with pytest.raises(aiohttp.ClientOSError):
        await waiting
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(slack)
    await slack.up()
    assert (await post(slack))[2]["ok"] is True


async def test_waiting_for_messages_ends_when_they_are_there(post: Call, slack: FakeSlack) -> None:
    """`arrived` returns with the message that it waited for, and raises TimeoutError for one that does not come."""
    waiting = asyncio.create_task(slack.arrived(1))
    await post(slack)
    assert len(await waiting) == 1
    with pytest.raises(TimeoutError):
        await slack.arrived(2, within=0.01)


async def test_memory_is_bounded(call: Call, post: Call) -> None:
    """Only the last messages are kept, and an older one can no longer be edited."""
    async with FakeSlack(keep=2) as slack:
        posted = [(await post(slack, text=str(number)))[2]["ts"] for number in range(3)]
        assert [message.text for message in slack.messages] == ["1", "2"]
        assert len(slack.calls) == 2
        _, _, body = await call(slack, "chat.update", channel="C0SALES", ts=posted[0], text="x")
        assert body["error"] == "message_not_found"
