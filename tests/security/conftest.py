"""An issuer over a real socket, a clock that stands still, and a verifier between them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from tests.fakes.clock import ManualClock
from tests.fakes.jwks import Fetcher, JwksServer
from tests.fakes.tokens import Forger

from assistance.security import Fetch, Jwks, KeySource, TokenVerifier

AUDIENCE = "https://assistance.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server() -> AsyncIterator[JwksServer]:
    async with JwksServer() as running:
        yield running


@pytest.fixture
async def fetch() -> AsyncIterator[Fetch]:
    async with ClientSession() as session:
        yield Fetcher(session)


@pytest.fixture
def forger(server: JwksServer, clock: ManualClock) -> Forger:
    forger = Forger(server.issuer, AUDIENCE, clock.now())
    server.keys = forger.jwks()
    return forger


@pytest.fixture
def jwks(server: JwksServer, fetch: Fetch, clock: ManualClock) -> Jwks:
    return Jwks(KeySource(fetch, server.issuer), clock)


@pytest.fixture
def verifier(jwks: Jwks, clock: ManualClock, server: JwksServer) -> TokenVerifier:
    return TokenVerifier(jwks, clock, issuer=server.issuer, audience=AUDIENCE, algorithms=["RS256"])
