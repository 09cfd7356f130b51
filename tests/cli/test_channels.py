"""`channels` and `channels test`, with a service running and with none."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Development

from assistance.sandbox.modes import MailMode
from assistance.sandbox.slack import FakeSlack
from assistance.sandbox.smtp import FakeSmtp
from assistance.store import Park, open_store

NOBODY = ("--url", "http://127.0.0.1:1")
DATABASE = "sqlite:///var/assistance.db"
ROUTING = """
channels:
  team: {type: slack, token: env:SLACK_TOKEN, channel: C0SALES}
  trying: {type: log}
topics:
  sales: {steps: [{notify: [team, trying]}]}
"""


@pytest.fixture
def routing(place: Path) -> Path:
    file = place / "assistance.yaml"
    file.write_text(ROUTING)
    return file


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
    """What the provider refuses is told in one line, and ends with 1."""
    assert development.house.sandbox is not None
    await development.house.sandbox.play_mail(MailMode(mode="error", error="550 5.1.1 no such mailbox"))
    failure = (await cli("channels", "test", "pricing-mail", "--url", development.url)).failure
    assert failure.startswith("assistance: pricing-mail: not delivered: rejected, 550")


async def test_an_unknown_channel_is_a_failure(cli: Cli, development: Development, routing: Path) -> None:
    """The known ones are named: those of the running service, or with none running those of the file."""
    running = (await cli("channels", "test", "x", "--url", development.url)).failure
    assert running == "assistance: unknown channel x; there are: pricing-mail, sales-slack"
    assert "there are: team, trying" in (await cli("channels", "test", "x", *NOBODY)).failure


async def test_with_none_running_the_store_is_opened(cli: Cli, routing: Path) -> None:
    """What the store remembers of a channel is shown, and it is said that no service answers."""
    store = open_store(DATABASE)
    await store.park(Park("team", "credentials", now=1_800_000_000))
    store.close()
    ran = await cli("channels", *NOBODY)
    assert (ran.code, ran.err) == (0, "no service answers at http://127.0.0.1:1: this is what the store remembers\n")
    assert ran.out.splitlines() == [
        "team    slack  parked (credentials, until 2027-01-15T08:01:00.000Z)",
        "trying  log  ok",
    ]


async def test_a_store_that_another_process_has_is_left_alone(cli: Cli, routing: Path) -> None:
    """A service that runs at another address is not disturbed; the line says how to reach it."""
    with closing(open_store(DATABASE)):
        failure = (await cli("channels", *NOBODY)).failure
    assert "is in use by process" in failure
    assert "--url" in failure


async def test_with_none_running_a_test_message_goes_out_from_here(
    cli: Cli, routing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel of the file is tried directly, with its secrets from the environment."""
    async with FakeSlack(tokens={"xoxb-1"}, channels={"C0SALES"}) as slack:
        routing.write_text(ROUTING.replace("channel: C0SALES", f"channel: C0SALES, api_url: {slack.api_url}"))
        missing = (await cli("channels", "test", "team", *NOBODY)).failure
        monkeypatch.setenv("SLACK_TOKEN", "xoxb-1")
        ran = await cli("channels", "test", "team", *NOBODY)
    assert missing.endswith("not delivered: credentials, secret_not_set")
    assert ran.code == 0
    assert "team: delivered in" in ran.out
    assert len(slack.messages) == 1


async def test_a_log_channel_writes_its_line(cli: Cli, routing: Path) -> None:
    """From here, too, a `log` channel logs: on standard error."""
    ran = await cli("channels", "test", "trying", *NOBODY)
    assert ran.code == 0
    assert "message_for_nobody" in ran.err
