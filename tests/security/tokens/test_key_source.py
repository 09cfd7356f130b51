"""Where keys may be read from, and what is refused there."""

import json
import os
from pathlib import Path

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.jwks import JwksServer
from tests.fakes.tokens import Forger

from assistance.security import CannotVerify, Fetch, Jwks, KeySource


async def refused(jwks: Jwks) -> str:
    with pytest.raises(CannotVerify) as refusal:
        await jwks.refresh()
    return refusal.value.reason


@pytest.mark.parametrize(
    ("discovery", "reason"),
    [
        ({"issuer": "https://evil.example/"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"jwks_uri": "http://issuer.example/jwks.json"}, "no jwks_uri over https"),
        ({"jwks_uri": "file:///etc/passwd"}, "no jwks_uri over https"),
        ({"jwks_uri": "ftp://127.0.0.1/"}, "no jwks_uri over https"),
        ({"jwks_uri": "https://"}, "no jwks_uri over https"),
        ({"jwks_uri": "http://[::1"}, "no jwks_uri over https"),
        ({"jwks_uri": None}, "no jwks_uri over https"),
    ],
)
async def test_discovery_is_believed_only_if_it_is_the_issuers(
    discovery: dict[str, object], reason: str, jwks: Jwks, forger: Forger, server: JwksServer
) -> None:
    """The document must name our issuer exactly and a place that nobody on the way can change."""
    server.discovery = discovery
    assert reason in await refused(jwks)
    assert server.fetches == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'{"keys": {}}', "no list of keys"),
        (b"{}", "no list of keys"),
        (b'{"keys": [' + b"[" * 100_000, "not a JSON object"),
    ],
)
async def test_what_is_no_key_set_replaces_nothing(
    body: bytes, reason: str, jwks: Jwks, forger: Forger, server: JwksServer
) -> None:
    """A broken answer is a failure to fetch: the last keys go on."""
    keys = await jwks.refresh()
    server.body = body
    assert reason in await refused(jwks)
    assert jwks.current is keys


async def test_an_explicit_url_needs_no_discovery(
    forger: Forger, server: JwksServer, fetch: Fetch, clock: ManualClock
) -> None:
    """With a JWKS URL the issuer is never asked where its keys are."""
    await Jwks(KeySource(fetch, "https://elsewhere.example/", server.url), clock).refresh()
    assert (server.fetches, server.discoveries) == (1, 0)


async def test_keys_may_be_in_a_file(tmp_path: Path, forger: Forger, fetch: Fetch, clock: ManualClock) -> None:
    """`file:` is read anew at each refresh; a file that is gone is a failure that names no path."""
    file = tmp_path / "my keys.json"
    file.write_text(json.dumps({"keys": forger.jwks()}))
    jwks = Jwks(KeySource(fetch, "https://elsewhere.example/", file.as_uri()), clock)
    assert (await jwks.refresh()).find("a", "RS256")
    file.write_text('{"keys": []}')
    assert not (await jwks.refresh()).keys
    file.unlink()
    assert await refused(jwks) == "FileNotFoundError"


@pytest.mark.parametrize(
    "url", ["http://issuer.example/jwks", "ftp://127.0.0.1/", "jwks.json", "", "http://127.0.0.1.example/"]
)
def test_other_places_are_refused(url: str, fetch: Fetch) -> None:
    """Plain http is for loopback only, and unknown schemes for nobody."""
    with pytest.raises(ValueError, match="over https"):
        KeySource(fetch, "http://issuer.example/", url)


async def test_a_refused_connection_is_a_failure_without_its_address(
    jwks: Jwks, server: JwksServer, forger: Forger, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a library says about the failure reaches nobody."""
    await server.__aexit__(None, None, None)
    reason = await refused(jwks)
    assert reason.isidentifier()
    assert os.linesep not in reason
