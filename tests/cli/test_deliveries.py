"""`deliveries` and `replay`."""

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Development

from assistance.model import State
from assistance.sandbox.sandbox import MailMode
from assistance.store import RequestFilter


async def stuck(cli: Cli, development: Development) -> str:
    """The id of a delivery that was refused for good."""
    assert development.house.sandbox is not None
    await development.house.sandbox.play(MailMode(mode="error", error="550 5.1.1 no such mailbox"))
    asked = await cli("send", "--topic", "pricing", "--description", "x", "--url", development.url, "--json")
    assert asked.code == 0
    found = (await development.house.store.page(RequestFilter(1)))[0][0].id

    async def look() -> set[str]:
        return {delivery.state for delivery, _ in await development.house.store.tries(found)}

    states = await development.house.waiting.until(found, look, lambda seen: seen == {State.FAILED}, 20)
    assert states == {State.FAILED}
    await development.house.sandbox.play(MailMode(mode="ok"))
    return f"{found}.1"


async def test_what_is_stuck_is_shown_and_sent_again(cli: Cli, development: Development) -> None:
    """A line for each delivery; a dry run sends nothing, a replay sends it under its old key."""
    key = await stuck(cli, development)
    ran = await cli("deliveries", "--url", development.url)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{key}  pricing-mail  notice  failed  2 tries  rejected")
    ran = await cli("replay", "--channel", "pricing-mail", "--dry-run", "--url", development.url)
    assert ran.out == f"{key}\n1 would be sent again\n"
    ran = await cli("replay", key, "--url", development.url)
    assert ran.out == f"{key}\n1 sent again\n"
    assert development.house.sandbox is not None
    (mail,) = await development.house.sandbox.smtp.arrived(1)
    assert str(mail.message["Message-ID"]).startswith(f"<{key}@")
    ran = await cli("deliveries", "--url", development.url)
    assert ran.out == "nothing is stuck\n"


async def test_to_replay_everything_must_be_said(cli: Cli) -> None:
    """Without an id or an option that selects it is wrong usage."""
    ran = await cli("replay")
    assert ran.code == 2
    assert "--channel" in ran.err


async def test_a_selection_that_is_refused_is_one_line(cli: Cli, development: Development) -> None:
    """What the service says of it is shown."""
    assert "#/ids/0" in (await cli("replay", "nonsense", "--url", development.url)).failure


ALL_OF = [("deliveries", "--channel"), ("replay", "--channel"), ("replay", "--dry-run", "--channel")]


@pytest.mark.parametrize("command", ALL_OF, ids=" ".join)
async def test_of_an_unknown_channel_nobody_reads_that_all_is_well(
    cli: Cli, development: Development, command: tuple[str, ...]
) -> None:
    """A name that was misspelt is a failure; a right one with nothing is none."""
    failure = (await cli(*command, "nope", "--url", development.url)).failure
    assert failure == "assistance: unknown channel nope; there are: pricing-mail, sales-slack"
    assert (await cli(*command, "sales-slack", "--url", development.url)).code == 0


async def test_what_a_channel_that_is_gone_still_owes_is_shown(cli: Cli, development: Development, place: Path) -> None:
    """The routing file is asked only where there is nothing to show."""
    key = await stuck(cli, development)
    file = place / "assistance.yaml"
    file.write_text(file.read_text().replace("pricing-mail", "prices"))
    await development.house.routing.reload("test")
    for command in ALL_OF[::2]:
        ran = await cli(*command, "pricing-mail", "--url", development.url)
        assert ran.code == 0
        assert ran.out.startswith(key)
