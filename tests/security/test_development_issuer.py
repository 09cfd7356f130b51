"""The issuer of development mode."""

import json
import stat
from pathlib import Path

import pytest
from tests.fakes.clock import ManualClock

from assistance.security import DevelopmentIssuer, Jwks, KeySource, TokenVerifier
from assistance.security.issuer import KEY_FILE

ISSUER = "http://127.0.0.1:8000/"
AUDIENCE = "assistance"


def make(folder: Path) -> DevelopmentIssuer:
    return DevelopmentIssuer(folder, ISSUER, AUDIENCE)


async def test_its_tokens_are_good_for_the_verifier(tmp_path: Path, clock: ManualClock) -> None:
    """A token of the development issuer passes the same verifier as one of any other issuer."""
    issuer = make(tmp_path / "var")

    async def fetch(url: str) -> bytes:
        assert url == f"{ISSUER}jwks.json"
        return json.dumps(issuer.jwks()).encode()

    jwks = Jwks(KeySource(fetch, ISSUER, f"{ISSUER}jwks.json"), clock)
    verifier = TokenVerifier(jwks, clock, issuer=ISSUER, audience=AUDIENCE, algorithms=["RS256"])
    principal = await verifier.verify(issuer.token("request-assistance ping", "bot-1", now=clock.now(), lifetime=60))
    assert principal.subject == "bot-1"
    assert principal.scopes == {"request-assistance", "ping"}
    assert principal.expires_at == clock.now() + 60


def test_its_key_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    """A second start uses the same key, nobody else can read it, and nothing is left lying about."""
    first = make(tmp_path)
    assert make(tmp_path).jwks() == first.jwks()
    assert DevelopmentIssuer.load(tmp_path, ISSUER, AUDIENCE).jwks() == first.jwks()
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_what_it_publishes_is_public(tmp_path: Path) -> None:
    """The JWKS holds the public numbers and nothing else of the key."""
    (entry,) = make(tmp_path).jwks()["keys"]
    assert set(entry) == {"kty", "key_ops", "n", "e", "kid", "use", "alg"}


def test_without_a_key_loading_says_so(tmp_path: Path) -> None:
    """Loading never makes a key: where there is none, FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        DevelopmentIssuer.load(tmp_path, ISSUER, AUDIENCE)
    assert not list(tmp_path.iterdir())
