"""The issuer's keys: rotation, a hanging or failing issuer, and how often it is asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest
from tests.fakes.clock import ManualClock, until
from tests.fakes.jwks import JwksServer
from tests.fakes.tokens import Forger, public_jwk, rsa_key

from assistance.security import CannotVerify, InvalidToken, Jwks, TokenVerifier
from assistance.security.tokens import jwks as jwks_module


@pytest.fixture
async def running(jwks: Jwks, server: JwksServer, forger: Forger) -> AsyncIterator[Jwks]:
    """Keys that are kept fresh in the background, fetched once."""
    task = asyncio.create_task(jwks.run())
    await until(lambda: jwks.current)
    yield jwks
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def new_key_token(forger: Forger) -> str:
    return forger.headed(rsa_key("new"), kid="new")


def sleeps(clock: ManualClock, seconds: float) -> bool:
    return clock.sleeping == [seconds]


def publish_new_key(server: JwksServer) -> None:
    server.keys = [*server.keys, public_jwk(rsa_key("new"), kid="new")]


async def test_a_new_key_is_usable_at_once(
    verifier: TokenVerifier, running: Jwks, forger: Forger, server: JwksServer
) -> None:
    """A token signed with a key published a moment ago is good after one fetch, and the old key still serves."""
    publish_new_key(server)
    await verifier.verify(new_key_token(forger))
    await verifier.verify(forger.token())
    assert server.fetches == 2


async def test_an_unknown_key_hangs_alone(
    verifier: TokenVerifier,
    running: Jwks,
    forger: Forger,
    server: JwksServer,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the issuer hangs on one unknown key, known keys are served at once; after the time-out it is a 503."""
    monkeypatch.setattr(jwks_module, "PATIENCE", 0.5)
    server.hang()
    stuck = asyncio.create_task(verifier.verify(new_key_token(forger)))
    await until(lambda: server.discoveries == 2)
    for subject in ("bot-1", "bot-2"):
        answer = verifier.verify(forger.token(sub=subject))
        # Driven by hand: it ends at its first step, so it cannot have waited for anything.
        with pytest.raises(StopIteration) as end:
            answer.send(None)
        assert end.value.value.subject == subject
    assert not stuck.done()
    with pytest.raises(CannotVerify, match=r"no answer within 0\.5 s"):
        await stuck


async def test_all_who_wait_share_one_fetch(
    verifier: TokenVerifier, running: Jwks, forger: Forger, server: JwksServer
) -> None:
    """A hundred tokens with unknown keys make one fetch, whose end frees them all."""
    server.hang()
    tokens = [forger.headed(rsa_key("new"), kid=f"new-{n}") for n in range(99)] + [new_key_token(forger)]
    waiting = [asyncio.create_task(verifier.verify(token)) for token in tokens]
    await until(lambda: server.discoveries == 2)
    publish_new_key(server)
    server.resume()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, InvalidToken) for result in results[:99])
    assert not isinstance(results[99], BaseException)
    assert (server.discoveries, server.fetches) == (2, 2)


async def test_one_who_gives_up_does_not_stop_the_fetch(
    verifier: TokenVerifier, running: Jwks, forger: Forger, server: JwksServer
) -> None:
    """A caller that goes away while waiting takes nothing from the others who wait."""
    server.hang()
    publish_new_key(server)
    first, second = (asyncio.create_task(verifier.verify(new_key_token(forger))) for _ in range(2))
    await until(lambda: server.discoveries == 2)
    first.cancel()
    server.resume()
    await second
    assert first.cancelled()


async def test_unknown_keys_ask_once_in_thirty_seconds(
    verifier: TokenVerifier, running: Jwks, forger: Forger, server: JwksServer, clock: ManualClock
) -> None:
    """However many unknown keys are tried, the issuer is asked once, and again only after 30 s."""
    for expected in (2, 2, 2):
        with pytest.raises(InvalidToken, match="unknown key"):
            await verifier.verify(new_key_token(forger))
        assert server.fetches == expected
    publish_new_key(server)
    clock.advance(29)
    with pytest.raises(InvalidToken):
        await verifier.verify(new_key_token(forger))
    clock.advance(1)
    await verifier.verify(new_key_token(forger))
    assert server.fetches == 3


async def test_a_token_for_others_fetches_nothing(
    verifier: TokenVerifier, running: Jwks, forger: Forger, server: JwksServer
) -> None:
    """A token whose claims are not for us is refused without asking for its key."""
    foreign = Forger("https://evil.example/", forger.audience, forger.now)
    with pytest.raises(InvalidToken, match="another issuer"):
        await verifier.verify(foreign.headed(rsa_key("foreign"), kid="evil"))
    assert server.fetches == 1


async def test_keys_are_refreshed_before_they_are_ten_minutes_old(
    running: Jwks, server: JwksServer, clock: ManualClock
) -> None:
    """With nobody asking, the keys are fetched anew within 10 minutes, and a withdrawn one is gone."""
    server.keys = server.keys[1:]
    await until(lambda: clock.sleeping)
    clock.advance(599)
    await until(lambda: running.current and running.known("a", "RS256") is None)
    assert running.known("b", "RS256")


async def test_the_last_keys_serve_for_a_day(
    verifier: TokenVerifier, running: Jwks, forger: Forger, server: JwksServer, clock: ManualClock
) -> None:
    """While the issuer fails, known keys serve for 24 h, unknown ones get a 503; then nothing is trusted any more."""
    server.fail()
    with pytest.raises(CannotVerify):
        await running.refresh()
    clock.advance(86_399)
    token = forger.token(exp=int(clock.now()) + 1000)
    await verifier.verify(token)
    with pytest.raises(CannotVerify):
        await verifier.verify(new_key_token(Forger(forger.issuer, forger.audience, clock.now())))
    clock.advance(1)
    assert verifier.verify_cached(token) is None
    with pytest.raises(CannotVerify):
        await verifier.verify(token)


async def test_after_a_failure_the_issuer_is_tried_again_soon(
    jwks: Jwks, forger: Forger, server: JwksServer, clock: ManualClock
) -> None:
    """An issuer that starts after us is found: 2, 4, 8, 16 and then every 30 s."""
    server.fail(503)
    task = asyncio.create_task(jwks.run())
    for tries, pause in enumerate((2.0, 4.0, 8.0, 16.0, 30.0, 30.0), 1):
        await until(partial(sleeps, clock, pause))
        assert server.discoveries == tries
        server.fail(200 if tries == 6 else 503)
        clock.advance(pause)
    await until(lambda: jwks.current)
    task.cancel()


async def test_who_waits_while_the_service_stops_is_not_called_invalid(
    jwks: Jwks, verifier: TokenVerifier, forger: Forger, server: JwksServer
) -> None:
    """A fetch cut off by the end of the service proves nothing about a token."""
    task = asyncio.create_task(jwks.run())
    await until(lambda: jwks.current)
    server.hang()
    waiting = asyncio.create_task(verifier.verify(new_key_token(forger)))
    await until(lambda: server.discoveries == 2)
    task.cancel()
    with pytest.raises(CannotVerify):
        await waiting


async def test_without_any_key_yet_the_first_token_waits_for_them(
    verifier: TokenVerifier, forger: Forger, server: JwksServer
) -> None:
    """Nothing need have been fetched before the first token comes."""
    await verifier.verify(forger.token())
    assert server.fetches == 1


async def test_an_issuer_that_is_down_from_the_start_is_a_503_not_a_401(
    verifier: TokenVerifier, forger: Forger, server: JwksServer
) -> None:
    """Good tokens are never called invalid because the issuer is down, nor is it asked for each of them."""
    server.fail()
    for _ in range(3):
        with pytest.raises(CannotVerify):
            await verifier.verify(forger.token())
    assert server.discoveries == 1
