"""Good tokens, the edges of their time, and the cache of verified ones."""

from typing import Any

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.jwks import JwksServer
from tests.fakes.tokens import ABSENT, Forger, public_jwk, rsa_key
from tests.security.conftest import AUDIENCE

from assistance.security import InvalidToken, Jwks, TokenVerifier
from assistance.security.tokens import verifier as tokens_module

LEEWAY = 30


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE, "https://issuer.example/userinfo"]},
        {"iat": ABSENT},
        {"exp": 1_800_000_000.5},
        {"sub": "x" * 255},
        {"sub": "björn 🐻"},
        {"scope": "openid  request-assistance "},
        {"scope": ABSENT, "permissions": ["ping", "request-assistance", 5, None]},
        {"unknown": {"deep": [[[1]]]}},
        {"unknown": "[" * 100},
    ],
)
async def test_a_good_token_is_accepted(changes: dict[str, Any], verifier: TokenVerifier, forger: Forger) -> None:
    """What the standards leave open is no reason to refuse."""
    principal = await verifier.verify(forger.token(**changes))
    assert "request-assistance" in principal.scopes
    assert "" not in principal.scopes


@pytest.mark.parametrize("typ", [ABSENT, "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_types_of_access_tokens_are_accepted(typ: str, verifier: TokenVerifier, forger: Forger) -> None:
    """A token may say that it is one, in any case, or say nothing."""
    await verifier.verify(forger.headed(typ=typ))


async def test_a_header_that_only_describes_the_key_is_ignored(verifier: TokenVerifier, forger: Forger) -> None:
    """Good tokens of issuers that add `x5t`, or even `jku`, pass: the key is ours all the same."""
    await verifier.verify(forger.headed(x5t="abc", jku="https://elsewhere.example/"))


async def test_the_principal_says_who_and_what(verifier: TokenVerifier, forger: Forger, clock: ManualClock) -> None:
    """Subject, rights of both kinds and expiry come from the claims."""
    principal = await verifier.verify(forger.token(permissions=["manage-assistance"]))
    assert principal.subject == "bot-1@clients"
    assert principal.scopes == {"request-assistance", "ping", "manage-assistance"}
    assert principal.expires_at == clock.now() + 3600


@pytest.mark.parametrize(
    ("claim", "offset", "good"),
    [
        ("exp", 1 - LEEWAY, True),
        ("exp", -LEEWAY, False),
        ("nbf", LEEWAY, True),
        ("nbf", LEEWAY + 1, False),
        ("iat", LEEWAY, True),
        ("iat", LEEWAY + 1, False),
    ],
)
async def test_times_count_to_the_second(
    claim: str, offset: int, *, good: bool, verifier: TokenVerifier, forger: Forger
) -> None:
    """The leeway is the whole tolerance: at its edge a token is refused, a second before it is not."""
    token = forger.token(**{claim: int(forger.now) + offset})
    if good:
        await verifier.verify(token)
    else:
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


async def test_a_verified_token_is_remembered_until_it_expires(
    verifier: TokenVerifier, forger: Forger, clock: ManualClock
) -> None:
    """The second look needs no signature check; with `exp` the memory ends, and soon after it the token."""
    token = forger.token()
    assert verifier.verify_cached(token) is None
    principal = await verifier.verify(token)
    assert verifier.verify_cached(token) is principal
    clock.advance(3599)
    assert verifier.verify_cached(token) is principal
    clock.advance(1)
    assert verifier.verify_cached(token) is None
    clock.advance(LEEWAY)
    with pytest.raises(InvalidToken, match="expired"):
        await verifier.verify(token)


async def test_a_remembered_token_is_dropped_when_its_key_leaves(
    verifier: TokenVerifier, forger: Forger, jwks: Jwks, server: JwksServer
) -> None:
    """A key that the issuer withdraws takes its tokens along; the same keys fetched again change nothing."""
    token = forger.token()
    principal = await verifier.verify(token)
    await jwks.refresh()
    assert verifier.verify_cached(token) is principal
    server.keys = [public_jwk(rsa_key("b"), kid="b")]
    await jwks.refresh()
    assert verifier.verify_cached(token) is None
    with pytest.raises(InvalidToken, match="unknown key"):
        await verifier.verify(token)


async def test_a_key_replaced_under_its_id_is_replaced(
    verifier: TokenVerifier, forger: Forger, jwks: Jwks, server: JwksServer
) -> None:
    """The key counts, not its name."""
    token = forger.token()
    await verifier.verify(token)
    server.keys = [public_jwk(rsa_key("foreign"), kid="a")]
    await jwks.refresh()
    with pytest.raises(InvalidToken, match="signature"):
        await verifier.verify(token)


async def test_the_memory_is_bounded_and_refused_tokens_are_not_in_it(
    verifier: TokenVerifier, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest verified token goes first, and attackers cannot fill the memory."""
    monkeypatch.setattr(tokens_module, "REMEMBERED", 2)
    good = [forger.token(sub=f"bot-{n}") for n in range(3)]
    for token in good:
        await verifier.verify(token)
        with pytest.raises(InvalidToken):
            await verifier.verify(token[:-8])
    assert [verifier.verify_cached(token) is not None for token in good] == [False, True, True]


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["RS256", "HS512"], ["ES256K"]])
def test_an_algorithm_that_proves_nothing_cannot_be_configured(
    algorithms: list[str], jwks: Jwks, clock: ManualClock
) -> None:
    """No configuration opens the door to unsigned or symmetric tokens."""
    with pytest.raises(ValueError, match="signed with"):
        TokenVerifier(jwks, clock, issuer="https://i/", audience="a", algorithms=algorithms)


async def test_without_a_key_id_the_only_key_counts(
    verifier: TokenVerifier, forger: Forger, server: JwksServer
) -> None:
    """A token may leave its key unnamed where no other can be meant."""
    server.keys = [public_jwk(rsa_key("a")), *forger.jwks()[2:]]
    await verifier.verify(forger.headed(kid=ABSENT))
