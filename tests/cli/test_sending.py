"""`send`, against the service itself."""

import json

import pytest
from tests.cli.conftest import Cli, Development
from tests.cli.scripted import Scripted
from tests.cli.test_tokens import ACCEPTED

CALL = ("send", "--topic", "sales", "--description", "A quote, please")
BUSY = {"title": "Service Unavailable", "status": 503, "detail": "Try again.", "request_id": "r-503"}


async def test_a_request_is_accepted(cli: Cli, development: Development) -> None:
    """The answer says its outcome, channel by channel, and where to look again."""
    ran = await cli(*CALL, "--url", development.url, "--wait", "10")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("notified: request ")
    assert "  1 sales-slack: delivered\n" in ran.out
    assert "  2 pricing-mail: pending (due 2" in ran.out
    assert f"look again: {development.url}/assistance/" in ran.out
    assert development.house.sandbox is not None
    assert "A quote, please" in development.house.sandbox.slack.messages[0].text


async def test_the_answer_comes_as_json(cli: Cli, development: Development) -> None:
    """`--json` prints the answer as the service gave it."""
    ran = await cli(*CALL, "--url", f"{development.url}/", "--json")
    assert json.loads(ran.out)["topic"] == "sales"


async def test_a_conversation_that_is_open_is_followed_up(cli: Cli, development: Development) -> None:
    """A second request of a conversation is shown as a follow-up of the same request."""
    asks = [await cli(*CALL, "--url", development.url, "--conversation-id", "c-1") for _ in range(2)]
    first, second = (ran.out.splitlines()[0] for ran in asks)
    assert first.endswith("new")
    assert second.endswith("a follow-up of what is open")
    assert first.split()[2] == second.split()[2]


async def test_the_same_key_gives_the_same_answer(cli: Cli, development: Development) -> None:
    """With `--key`, a second call is shown as answered before."""
    asks = [await cli(*CALL, "--url", development.url, "--key", "k-1") for _ in range(2)]
    assert asks[1].out.splitlines()[0].endswith("answered before for this key")


async def test_a_refusal_is_one_line(cli: Cli, development: Development) -> None:
    """A problem document becomes one line with status, title, what to mend, and the request's id."""
    failure = (await cli("send", "--topic", "support", "--description", "x", "--url", development.url)).failure
    assert failure.startswith("assistance: 400 Invalid topic (topics: pricing, sales) [request_id ")


async def test_an_invalid_value_is_named(cli: Cli, development: Development) -> None:
    """Of a validation problem, the pointer and its sentence are shown."""
    failure = (await cli("send", "--topic", "sales", "--description", " ", "--url", development.url)).failure
    assert "#/description" in failure


async def test_a_token_that_is_not_valid_is_refused(cli: Cli, development: Development) -> None:
    """A 401 is one line, without the token."""
    failure = (await cli(*CALL, "--url", development.url, "--token", "bad-token-of-mine")).failure
    assert failure.startswith("assistance: 401")
    assert "bad-token-of-mine" not in failure


async def test_an_unavailable_service_is_tried_again_with_the_same_key(cli: Cli) -> None:
    """Two answers of 503 and then 201: accepted, and all three calls carried one key."""
    async with Scripted({"/assistance": [(503, BUSY), (503, BUSY), (201, ACCEPTED)]}, {"Retry-After": "0"}) as api:
        ran = await cli(*CALL, "--url", api.url, "--token", "x", "--wait", "3")
    assert ran.code == 0
    assert len(api.asked) == 3
    assert len({asked.headers["Idempotency-Key"] for asked in api.asked}) == 1
    assert {asked.headers["Prefer"] for asked in api.asked} == {"wait=3"}
    assert api.asked[0].body == {"topic": "sales", "description": "A quote, please"}


async def test_part_of_a_second_is_waited_as_a_whole_one(cli: Cli) -> None:
    """`Prefer: wait` has whole seconds: part of one is asked for as one more, not as something nobody reads."""
    async with Scripted({"/assistance": [(201, ACCEPTED)]}) as api:
        assert (await cli(*CALL, "--url", api.url, "--token", "x", "--wait", "2.5")).code == 0
    assert api.asked[0].headers["Prefer"] == "wait=3"


async def test_a_service_that_stays_unavailable_is_a_failure(cli: Cli) -> None:
    """After the third 503 it gives up and says so."""
    async with Scripted({"/assistance": [(503, BUSY)]}, {"Retry-After": "0"}) as api:
        failure = (await cli(*CALL, "--url", api.url, "--token", "x")).failure
    assert failure == "assistance: 503 Service Unavailable: Try again. [request_id r-503]"
    assert len(api.asked) == 3


async def test_a_service_that_is_not_there_is_a_failure(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens, one line names the address after three tries."""
    monkeypatch.setattr("assistance.cli.sending.PAUSES", (0.0, 0.0))
    failure = (await cli(*CALL, "--url", "http://127.0.0.1:1", "--token", "x")).failure
    assert failure == "assistance: no service answers at http://127.0.0.1:1: connection: ECONNREFUSED"


async def test_another_kind_of_server_is_recognised(cli: Cli) -> None:
    """An answer that is no JSON object is named so."""
    async with Scripted({"/assistance": [(200, [])]}) as api:  # type: ignore[list-item]
        failure = (await cli(*CALL, "--url", api.url, "--token", "x")).failure
    assert "is it an Assistance API?" in failure


async def test_what_is_no_address_is_refused(cli: Cli) -> None:
    """A URL that cannot be one is a failure at once."""
    assert "cannot be the address" in (await cli(*CALL, "--url", "127.0.0.1:8000", "--token", "x")).failure
