"""`channels` and `channels test`, and what they and `deliveries` and `replay` say when no service runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Development

from assistance.sandbox.sandbox import MailMode
from assistance.sandbox.smtp import FakeSmtp


async def test_the_running_service_is_asked(cli: Cli, development: Development) -> None:
    """Each channel is a line: its name, type and health."""
    ran = await cli("channels", "--url", development.url)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "sales-slack   slack  ok\npricing-mail  email  ok\n"


async def test_a_token_that_may_not_ask_is_refused(cli: Cli, development: Development) -> None:
    """Without the scope for operators, one line says which one is missing."""
    token = (await cli("token", "--scope", "request-assistance")).out.strip()
    failure = (await cli("channels", "--url", development.url, "--token", token)).failure
    assert failure.startswith("assistance: 403")
    assert "manage-assistance" in failure


async def test_a_test_message_arrives(cli: Cli, development: Development) -> None:
    """`channels test` sends one marked message through the running service; options may stand before `test`, too."""
    ran = await cli("channels", "--url", development.url, "test", "sales-slack")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("sales-slack: delivered in 0.")
    assert development.house.sandbox is not None
    assert [message.text.split("]")[0] for message in development.house.sandbox.slack.messages] == ["[test"]


@pytest.fixture
async def production(place: Path) -> AsyncIterator[FakeSmtp]:
    """A mail relay on this machine, and a routing file that names it by a file and Slack by its address."""
    async with FakeSmtp() as relay:
        (place / "relay").write_text(relay.url)
        mail = "type: email, smtp: file:relay, from: a@example.com, to: [b@example.com]"
        team = "type: slack, token: file:relay, channel: C0SALES, api_url: 'https://slack.com/api/'"
        topics = "sales: {steps: [{notify: [team, mail]}]}"
        (place / "assistance.yaml").write_text(
            f"channels:\n  team: {{{team}}}\n  mail: {{{mail}}}\ntopics:\n  {topics}\n"
        )
        yield relay


async def test_development_mode_talks_to_its_sandbox_alone(
    cli: Cli, production: FakeSmtp, development: Development
) -> None:
    """Slack, and a mail server on this machine too: the message is in the sandbox and nowhere else."""
    for name in ("team", "mail"):
        assert (await cli("channels", "test", name, "--url", development.url)).code == 0
    assert development.house.sandbox is not None
    assert len(development.house.sandbox.slack.messages) == 1
    assert len(await development.house.sandbox.smtp.arrived(1)) == 1
    assert production.messages == []


async def test_a_test_message_that_is_not_taken_is_a_failure(cli: Cli, development: Development) -> None:
    """What the provider refuses is shown in one line, and the exit code is 1."""
    assert development.house.sandbox is not None
    await development.house.sandbox.play(MailMode(mode="error", error="550 5.1.1 no such mailbox"))
    failure = (await cli("channels", "test", "pricing-mail", "--url", development.url)).failure
    assert failure.startswith("assistance: pricing-mail: not delivered: rejected, 550")


async def test_an_unknown_channel_is_a_failure(cli: Cli, development: Development) -> None:
    """The known ones are named."""
    failure = (await cli("channels", "test", "x", "--url", development.url)).failure
    assert failure == "assistance: unknown channel x; there are: pricing-mail, sales-slack"


@pytest.mark.parametrize("command", ["channels", "channels test team", "deliveries", "replay --state failed"], ids=str)
async def test_without_a_running_service_they_say_so(cli: Cli, place: Path, command: str) -> None:
    """One line on standard error and exit code 1, with and without a token at hand; nothing is made."""
    for token in ((), ("--token", "x")):
        ran = await cli(*command.split(), "--url", "http://127.0.0.1:1", *token)
        assert ran.failure == "assistance: no service answers at http://127.0.0.1:1: connection: ECONNREFUSED"
        assert ran.out == ""
    assert list(place.iterdir()) == []
