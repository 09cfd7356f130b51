"""`check` and `explain`."""

from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from assistance.sandbox import starter

WRONG = """\
channels:
  team:
    type: slack
    token: xoxb-in-clear
    channel: C1
topics:
  sales:
    steps:
      - notify: [nobody]
  pricing:
    steps: []
"""


async def test_a_good_file_is_fine(cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without problems gives one line with its counts, and 0."""
    (place / "assistance.yaml").write_text(starter())
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-1")
    monkeypatch.setenv("SMTP_URL", "smtps://mail.example.com:465")
    ran = await cli("check")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "assistance.yaml is fine: 2 topics, 2 channels, 2 tests\n"


async def test_a_secret_that_is_not_set_is_a_warning(cli: Cli, place: Path) -> None:
    """What `serve` would refuse for want of a variable, `check` passes with a warning at its line."""
    (place / "assistance.yaml").write_text(starter())
    ran = await cli("check")
    assert ran.code == 0
    assert (
        ran.out.splitlines()[0] == "assistance.yaml:6: warning: channels.sales-slack.token: env:SLACK_TOKEN is not set"
    )
    assert ran.out.splitlines()[-1].endswith("2 tests, 2 warnings")


async def test_the_dotenv_file_counts(cli: Cli, place: Path) -> None:
    """`.env` says where the routing file is and holds its secrets."""
    (place / "routes.yaml").write_text(starter())
    (place / ".env").write_text("ASSISTANCE_CONFIG=routes.yaml\nSLACK_TOKEN=x\nSMTP_URL=smtps://mail.example.com:465\n")
    assert (await cli("check")).out.startswith("routes.yaml is fine")


async def test_every_problem_has_a_line_of_its_own(cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems come at once as FILE:LINE: text, unwrapped however narrow the terminal, without the secret."""
    monkeypatch.setenv("COLUMNS", "20")
    (place / "wrong.yaml").write_text(WRONG)
    ran = await cli("check", "wrong.yaml")
    assert (ran.code, ran.err) == (1, "")
    lines = ran.out.splitlines()
    assert [line.split(":")[:2] for line in lines] == [["wrong.yaml", number] for number in ("4", "9", "11")]
    assert "xoxb-in-clear" not in ran.out


async def test_a_file_that_is_not_there_is_a_problem(cli: Cli) -> None:
    """No routing file: one line that names it, and 1."""
    ran = await cli("check", "nowhere.yaml")
    assert ran.code == 1
    assert ran.out.startswith("nowhere.yaml:1: ")


async def test_explain_shows_who_is_notified_and_why(cli: Cli, place: Path) -> None:
    """The plan names the steps, their channels and times; the topic's case does not matter."""
    (place / "assistance.yaml").write_text(starter())
    ran = await cli("explain", "--topic", "SALES", "--at", "2026-11-23T10:00+01:00", "--priority", "urgent")
    assert ran.code == 0
    assert "priority urgent, Mon 2026-11-23 09:00:00 UTC" in ran.out
    assert "notified at once: sales-slack" in ran.out
    assert "may follow: pricing-mail" in ran.out


async def test_explain_names_the_topics_there_are(cli: Cli, place: Path) -> None:
    """An unknown topic is a failure that names the known ones."""
    (place / "assistance.yaml").write_text(starter())
    failure = (await cli("explain", "--topic", "support")).failure
    assert failure == "assistance: unknown topic support; there are: pricing, sales"


async def test_explain_says_what_is_wrong_with_the_file(cli: Cli, place: Path) -> None:
    """A routing file that cannot be used is one line: its first problem and the number of the others."""
    (place / "assistance.yaml").write_text(WRONG)
    failure = (await cli("explain", "--topic", "sales")).failure
    assert failure.startswith("assistance: assistance.yaml:4: ")
    assert failure.endswith("(and 2 more: assistance check)")


async def test_a_dotenv_file_that_is_no_text_is_refused(cli: Cli, place: Path) -> None:
    """A `.env` that cannot be read is one line, not a traceback."""
    (place / ".env").write_bytes(b"\xff\xfe\x00")
    assert ".env" in (await cli("explain", "--topic", "sales")).failure
