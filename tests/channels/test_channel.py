"""What every channel has: its settings, its secrets, its place in the contract suite."""

import pytest
import structlog.testing
from pydantic import HttpUrl, ValidationError
from tests.channels.fake_provider import provider_of

from assistance.channels import Channel
from assistance.channels.log import Log
from assistance.channels.slack import Slack
from assistance.model import Kind, Link, Message
from assistance.outgoing import Http
from assistance.settings import Secret

SLACK = {"token": "env:T", "channel": "C1"}


class TwoUrls(Channel):
    """A channel with two URLs: the general fake provider does not know which of them to serve."""

    first: HttpUrl
    second: HttpUrl


def test_a_channel_without_a_fake_provider_fails_the_suite() -> None:
    """Nobody can forget the contract; the failure says which file to write."""
    with pytest.raises(pytest.fail.Exception, match=r"write tests/channels/providers/two_urls\.py"):
        provider_of("two_urls", TwoUrls)


@pytest.mark.parametrize(
    ("pace", "per_second"), [("1/s", 1.0), ("30/m", 0.5), ("36/h", 0.01), ("2.5/s", 2.5), (None, 1.0)]
)
def test_a_pace_is_messages_per_second(pace: str | None, per_second: float) -> None:
    """Written for people, counted in seconds; without one the provider's limit holds."""
    settings = SLACK if pace is None else {**SLACK, "pace": pace}
    assert Slack.model_validate(settings).messages_per_second == per_second


@pytest.mark.parametrize(("text", "seconds"), [("72h", 259_200.0), ("30s", 30.0), ("5m", 300.0), ("7d", 604_800.0)])
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """`retry_for` and its like."""
    assert Slack.model_validate({**SLACK, "retry_for": text}).retry_for == seconds
    assert Slack.model_validate(SLACK).retry_for == 259_200.0


@pytest.mark.parametrize(
    "wrong",
    [
        *({"pace": "1"}, {"pace": "0/s"}, {"pace": 1}, {"retry_for": "soon"}, {"retry_for": 3}, {"colour": "red"}),
        *({"token": "xoxb-canary"}, {"channel": ""}, {"api_url": "http://slack.example/api/"}, {"api_url": "x"}),
        *({"api_url": "ftp://127.0.0.1/"}, {"signing_secret": "canary"}),
    ],
)
def test_wrong_settings_are_refused_when_the_file_is_read(wrong: dict[str, object]) -> None:
    """Unknown keys, secrets in clear and plain http off this machine never reach a running service."""
    with pytest.raises(ValidationError):
        Slack.model_validate({**SLACK, **wrong})


def test_a_channel_knows_its_secrets() -> None:
    """For redaction, and for naming what is not set."""
    slack = Slack.model_validate({**SLACK, "signing_secret": "env:S"}, context={"environ": {"T": "1"}})
    assert [(secret.source, secret.missing) for secret in slack.secrets()] == [("env:T", False), ("env:S", True)]
    assert Secret("env:T", "1") in slack.secrets()


async def test_the_log_says_which_message_and_not_what_it_says() -> None:
    """One line with the key and nothing of what was written; no person reads it."""
    canary = "canary"
    message = Message("k.1", Kind.NOTICE, canary, canary, 0.0, ((canary, canary),), (Link(canary, canary),))
    with structlog.testing.capture_logs() as lines:
        assert await Log().send(message, Http()) is None
    assert [line["key"] for line in lines] == ["k.1"]
    assert canary not in str(lines)
    assert not Log.person
