"""`token`, and where `send` gets its token from."""

import time
from pathlib import Path

import jwt
import pytest
from tests.cli.conftest import Cli, Development
from tests.cli.scripted import Scripted

from assistance.security import DevelopmentIssuer
from assistance.settings.development import AUDIENCE, ISSUER, VAR

ACCEPTED = {
    "id": "01890000-0000-7000-8000-000000000000",
    "topic": "sales",
    "status": "accepted",
    "notified": False,
    "expected_response": None,
    "deliveries": [],
    "links": {"self": "/assistance/01890000-0000-7000-8000-000000000000"},
}
ASK = ("send", "--topic", "sales", "--description", "A quote, please")
AUTH0 = {"AUTH0_API_AUDIENCE": "https://api", "TEST_CLIENT_ID": "bot", "TEST_CLIENT_SECRET": "s3cr3t-of-the-bot"}


def auth0(monkeypatch: pytest.MonkeyPatch, domain: str) -> None:
    for name, value in {**AUTH0, "AUTH0_DOMAIN": domain}.items():
        monkeypatch.setenv(name, value)


def service() -> Scripted:
    """Accepts everything, and publishes no keys."""
    return Scripted({"/assistance": [(201, ACCEPTED)]})


def tenant(status: int = 200, **answer: str) -> Scripted:
    """Auth0's token endpoint."""
    return Scripted({"/oauth/token": [(status, answer or {"access_token": "from-auth0"})]})


async def test_a_token_is_signed_by_the_development_issuer(cli: Cli, place: Path) -> None:
    """`token` prints a token that the issuer's published key verifies, for that scope and subject."""
    issuer = DevelopmentIssuer(place / VAR, ISSUER, AUDIENCE)
    ran = await cli("token", "--scope", "ping request-assistance:sales", "--subject", "bot-7")
    key = jwt.PyJWK(issuer.jwks()["keys"][0])
    claims = jwt.decode(ran.out.strip(), key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
    assert (claims["scope"], claims["sub"]) == ("ping request-assistance:sales", "bot-7")
    assert claims["exp"] > time.time()


@pytest.mark.parametrize("subject", ["", "x" * 256, "bot\n7"], ids=["empty", "long", "two lines"])
async def test_a_subject_that_no_service_takes_is_wrong_usage(cli: Cli, place: Path, subject: str) -> None:
    """No token is made that would be refused everywhere."""
    DevelopmentIssuer(place / VAR, ISSUER, AUDIENCE)
    ran = await cli("token", "--subject", subject)
    assert (ran.code, ran.out) == (2, "")
    assert "Invalid value for --subject: must be 1 to 255 characters" in ran.line


async def test_a_token_may_do_all_by_default(cli: Cli, development: Development) -> None:
    """Without a scope, the token opens what a bot and its developer want to try, operating included."""
    token = (await cli("token")).out.strip()
    assert (await cli("channels", "--url", development.url, "--token", token)).code == 0
    assert (await cli(*ASK, "--url", development.url, "--token", token)).code == 0


@pytest.mark.parametrize("key", [None, "not a key"])
async def test_without_a_usable_key_there_is_no_token(cli: Cli, place: Path, key: str | None) -> None:
    """Where `serve --dev` has made no key, or it is damaged, `token` fails in one line and makes none."""
    if key is not None:
        (place / VAR).mkdir()
        (place / VAR / "development-issuer.pem").write_text(key)
    assert "var/" in (await cli("token")).failure
    assert (place / VAR).exists() is (key is not None)


async def test_the_token_that_is_given_goes_first(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--token` before ASSISTANCE_TOKEN, that before anything else."""
    auth0(monkeypatch, "http://127.0.0.1:1")
    monkeypatch.setenv("ASSISTANCE_TOKEN", "from-environment")
    async with service() as api:
        await cli(*ASK, "--url", api.url, "--token", "given")
        await cli(*ASK, "--url", api.url)
    assert [each.headers["Authorization"] for each in api.asked] == ["Bearer given", "Bearer from-environment"]


async def test_auth0_gives_a_token_by_client_credentials(
    cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the four variables set, some of them in `.env`, the grant is made as Auth0 documents it."""
    async with service() as api, tenant() as auth:
        auth0(monkeypatch, auth.url)
        monkeypatch.delenv("TEST_CLIENT_ID")
        (place / ".env").write_text("TEST_CLIENT_ID=bot\n")
        assert (await cli(*ASK, "--url", api.url)).code == 0
    assert auth.asked[0].body == {
        "grant_type": "client_credentials",
        "client_id": "bot",
        "client_secret": "s3cr3t-of-the-bot",
        "audience": "https://api",
    }
    assert api.asked[-1].headers["Authorization"] == "Bearer from-auth0"


async def test_a_refusal_of_auth0_is_shown_without_the_secret(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Auth0 refuses is one line with its error, never the client's secret."""
    async with service() as api, tenant(403, error="access_denied", error_description="s3cr3t-of-the-bot") as auth:
        auth0(monkeypatch, auth.url)
        failure = (await cli(*ASK, "--url", api.url)).failure
    assert failure.endswith("403 access_denied")
    assert api.asked == []


async def test_the_development_issuer_serves_development_mode(
    cli: Cli, development: Development, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that publishes the key in var/ gets its token, and production's credentials stay where they are."""
    async with tenant() as auth:
        auth0(monkeypatch, auth.url)
        assert (await cli(*ASK, "--url", development.url)).code == 0
    assert auth.asked == []


async def test_auth0_serves_a_service_that_is_not_in_development(
    cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that lies in var/ is of no use for a service that does not publish it."""
    DevelopmentIssuer(place / VAR, ISSUER, AUDIENCE)
    async with service() as api, tenant() as auth:
        auth0(monkeypatch, auth.url)
        assert (await cli(*ASK, "--url", api.url)).code == 0
    assert api.asked[-1].headers["Authorization"] == "Bearer from-auth0"


async def test_without_any_token_it_says_how_to_get_one(cli: Cli) -> None:
    """No token from anywhere: one line that names every way."""
    failure = (await cli(*ASK)).failure
    assert all(way in failure for way in ("--token", "ASSISTANCE_TOKEN", "serve --dev", "TEST_CLIENT_SECRET"))


async def test_no_token_goes_over_http_to_another_machine(cli: Cli) -> None:
    """Plain http is refused off this machine before anything is sent."""
    failure = (await cli(*ASK, "--url", "http://assistance.example", "--token", "x")).failure
    assert "https" in failure
