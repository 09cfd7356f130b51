"""Development mode reaches nothing but loopback."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import aiosmtplib
import pytest
import yaml

from assistance.channels import channel_class
from assistance.sandbox import Sandbox, starter
from assistance.sandbox.redirect import SLACK_TOKEN, SMTP_URL, confined, on_loopback

ENVIRON = {
    "SLACK_TOKEN": "xoxb-real",
    "SMTP_URL": "smtp://user:word@mail.example.com:587",
    "RELAY": "smtp://127.0.0.1:25?tls=off",
    "HOOK": "https://hooks.example.com/secret",
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(ENVIRON) as box:
        yield box


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000/", True),
        ("http://localhost/", True),
        ("smtp://user:word@127.8.9.1:25", True),
        ("http://[::1]:80/", True),
        ("https://slack.com/api/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://127.0.0.1@example.com/", False),
        ("http://example.com\\@127.0.0.1/", False),
        ("http://localhost.example.com/", False),
        ("http://0.0.0.0/", False),
        ("http://2130706433/", False),
        ("http://[::1/", False),
        ("", False),
    ],
)
def test_only_plain_loopback_addresses_count_as_such(url: str, local: bool) -> None:  # noqa: FBT001
    """Names that only look like loopback, and what cannot be read, are elsewhere."""
    assert on_loopback(url) is local


@pytest.mark.parametrize(
    "address", [{}, *({"api_url": url} for url in ("https://slack.com/api/", "http://slack.example.com/", "nonsense"))]
)
@pytest.mark.parametrize("source", ["env:SLACK_TOKEN", "env:NONE", f"file:{__file__}", "file:none"])
async def test_slack_is_the_fake_with_the_fakes_token(sandbox: Sandbox, address: dict[str, str], source: str) -> None:
    """No or a real `api_url` becomes the fake's, and the real token does not go there."""
    raw = {"token": source, "channel": "C0SALES", **address}
    assert sandbox.redirect("slack", raw) == {
        "token": f"env:{SLACK_TOKEN}",
        "channel": "C0SALES",
        "api_url": sandbox.slack.api_url,
    }


async def test_a_fake_slack_of_the_developers_own_is_left_alone(sandbox: Sandbox) -> None:
    """A loopback address stays, with the secrets written beside it; those that are not set are the sandbox's."""
    raw = {"token": "env:SLACK_TOKEN", "channel": "C0SALES", "api_url": "http://localhost:9/api/"}
    assert sandbox.redirect("slack", raw) == raw
    assert sandbox.redirect("slack", {**raw, "token": "env:NONE"}) == {**raw, "token": f"env:{SLACK_TOKEN}"}


@pytest.mark.parametrize("source", ["env:SMTP_URL", "env:RELAY", "env:NONE", f"file:{__file__}", "file:none"])
async def test_mail_goes_to_the_fake_whatever_the_file_says(sandbox: Sandbox, source: str) -> None:
    """A relay on this machine may be production's own: it counts as little as a server elsewhere."""
    raw = {"smtp": source, "from": "a@example.com", "to": ["b@example.com"]}
    assert sandbox.redirect("email", raw) == {**raw, "smtp": f"env:{SMTP_URL}"}


@pytest.mark.parametrize("raw", [{}, {"token": "xoxb-clear", "smtp": "smtp://clear"}, {"token": 5, "smtp": 5}])
async def test_mistakes_of_the_file_are_left_for_its_own_check(sandbox: Sandbox, raw: dict[str, Any]) -> None:
    """A missing, a clear or a senseless secret is not papered over."""
    assert "token" not in raw or sandbox.redirect("slack", raw)["token"] == raw["token"]
    assert sandbox.redirect("email", raw) == raw


@pytest.mark.parametrize(
    "raw",
    [
        {"url": "https://ntfy.example.com"},
        {"servers": [{"at": "https://hooks.example.com/x"}]},
        {"url": "env:HOOK"},
        {"url": "http://127.0.0.1:1/", "backup": "https://hooks.example.com/x"},
    ],
)
async def test_any_other_type_with_an_address_elsewhere_is_refused(sandbox: Sandbox, raw: dict[str, Any]) -> None:
    """The refusal names the setting and the type in a plain sentence, and never the address."""
    with pytest.raises(ValueError, match=r"development mode reaches no real provider: `\w+` of a `pager`") as refusal:
        sandbox.redirect("pager", raw)
    assert "example.com" not in str(refusal.value)


def test_a_default_address_elsewhere_counts_too() -> None:
    """A type whose own default leads to a provider is refused unless the file says otherwise."""
    with pytest.raises(ValueError, match="`api_url` of a `slack` channel"):
        confined("slack", {"channel": "C0SALES"}, {})
    settings = {"channel": "C0SALES", "api_url": "http://127.0.0.1:1/"}
    assert confined("slack", settings, {}) == settings


@pytest.mark.parametrize("raw", [{}, {"url": "http://127.0.0.1:1/x", "note": "hello"}, {"url": "env:NONE"}])
async def test_any_other_type_on_loopback_is_left_alone(sandbox: Sandbox, raw: dict[str, Any]) -> None:
    """Nothing is changed where nothing leads out; `log` is left alone always."""
    assert sandbox.redirect("pager", raw) == raw
    assert sandbox.redirect("log", raw) == raw


async def test_the_variables_it_adds_open_its_fakes(sandbox: Sandbox) -> None:
    """The token and the address that channels get from the environ are taken by the fakes, over real sockets."""
    environ = sandbox.environ(ENVIRON)
    assert environ["SLACK_TOKEN"] == "xoxb-real"
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {environ[SLACK_TOKEN]}"}
        async with http.post(sandbox.slack.api_url + "auth.test", headers=headers) as answer:
            assert (await answer.json())["ok"] is True
    assert environ[SMTP_URL] == f"smtp://127.0.0.1:{sandbox.smtp.port}?tls=off"
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sandbox.smtp.port, start_tls=False, timeout=5) as client:
        assert (await client.ehlo()).code == 250


async def test_the_starter_file_is_accepted_and_stays_inside(sandbox: Sandbox) -> None:
    """Each channel of the starter file is a valid channel in development mode, without any variable set."""
    written = yaml.safe_load(starter())
    assert list(written["topics"]) == ["sales", "pricing"]
    async with Sandbox({}) as fresh:
        for settings in written["channels"].values():
            type_ = settings.pop("type")
            raw = fresh.redirect(type_, settings)
            channel = channel_class(type_).model_validate(raw, context={"environ": fresh.environ({})})
            assert all(not secret.missing for secret in channel.secrets())
