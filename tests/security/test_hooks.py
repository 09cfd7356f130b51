"""Slack's signature of incoming hooks."""

import hmac
from collections.abc import Callable
from hashlib import sha256

import pytest

from assistance.security import signed_by_slack

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_800_000_000.0
BODY = b"payload=%7B%22type%22%3A%22block_actions%22%7D&x=\xff"


def sign(timestamp: str, body: bytes = BODY, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, sha256).hexdigest()


def test_the_vendors_own_example_is_accepted() -> None:
    """The example of Slack's page on verifying requests comes out as printed there."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert signed_by_slack(SECRET, body, "1531420618", signature, 1531420618)


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (-300, True), (300, True), (-301, False), (301, False)])
def test_a_signature_counts_for_five_minutes(seconds: int, *, good: bool) -> None:
    """An old request replayed, or one from the future, is refused."""
    timestamp = str(int(NOW) + seconds)
    assert signed_by_slack(SECRET, BODY, timestamp, sign(timestamp), NOW) is good


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "now",
        "-1800000000",
        "+1800000000",
        " 1800000000",
        "1800000000 ",
        "1800000000\n",
        "1_800_000_000",
        "1800000000.0",
        "nan",
        "1e9",
        "\uff11\uff18" + "0" * 8,
        "9" * 5000,
    ],
)
def test_a_timestamp_that_is_no_number_is_refused(timestamp: str) -> None:
    """Even when the signature over it is right, and without an error."""
    assert not signed_by_slack(SECRET, BODY, timestamp, sign(timestamp), NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: "v0=",
        lambda good: good[3:],
        lambda good: "v1" + good[2:],
        lambda good: good.upper(),
        lambda good: good[:-1],
        lambda good: good + "0",
        lambda _: "v0=" + "é" * 64,
        lambda _: "v0=" + "\ud800" * 64,
        lambda _: sign("1800000000", BODY + b"x"),
        lambda _: sign("1800000000", secret="other"),
        lambda _: sign("1800000001"),
    ],
)
def test_another_signature_is_refused(change: Callable[[str], str]) -> None:
    """Nothing but the one right signature is accepted, and nothing crashes."""
    assert not signed_by_slack(SECRET, BODY, "1800000000", change(sign("1800000000")), NOW)
