"""A service that reaches something only through a toxic proxy, and what is done to the bytes meanwhile."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.fakes.postgres import through
from tests.fakes.process import ROUTING, ServiceProcess, Surroundings
from tests.fakes.toxic import Connect, Toxic, ToxicProxy, to
from tests.proofs.databases import Database
from tests.proofs.launch import serving

from assistance.model import Outcome, Reason

SPLIT = 700
"""Bytes: no message passes whole once a connection is cut off within so many."""


@dataclass(frozen=True)
class Spell:
    """A stretch of trouble; `cut` brings whatever cannot be undone for those connections, `down` refuses new ones."""

    requests: Callable[[random.Random], Toxic] = lambda _rng: Toxic()
    answers: Callable[[random.Random], Toxic] = lambda _rng: Toxic()
    down: bool = False
    forget: bool = False


SPELLS = {
    "latency": Spell(lambda _rng: Toxic(delay=(0.05, 0.2)), lambda _rng: Toxic(delay=(0.05, 0.2))),
    "slicer": Spell(lambda _rng: Toxic(pieces=40), lambda _rng: Toxic(pieces=7)),
    "silence": Spell(answers=lambda _rng: Toxic(silent=True)),
    "oblivion": Spell(lambda _rng: Toxic(silent=True), forget=True),
    "reset of a request": Spell(lambda rng: Toxic(reset_after=rng.randrange(1, SPLIT))),
    "reset of an answer": Spell(answers=lambda rng: Toxic(reset_after=rng.randrange(1, SPLIT))),
    "half a request": Spell(lambda rng: Toxic(end_after=rng.randrange(1, SPLIT))),
    "half an answer": Spell(answers=lambda rng: Toxic(end_after=rng.randrange(1, SPLIT))),
    "refusal": Spell(down=True),
}


async def cast(proxy: ToxicProxy, spell: Spell, rng: random.Random) -> None:
    """Let the trouble begin."""
    proxy.spoil(requests=spell.requests(rng), answers=spell.answers(rng))
    if spell.down:
        await proxy.down()


async def lift(proxy: ToxicProxy, spell: Spell) -> None:
    """Let the trouble end."""
    proxy.heal(forget=spell.forget)
    if spell.down:
        await proxy.up()


@asynccontextmanager
async def troubled(
    leg: str, around: Surroundings, database: Database, rng: random.Random
) -> AsyncIterator[tuple[ServiceProcess, ToxicProxy]]:
    """A service whose way to `leg` leads through a proxy, well as yet."""
    connect, settings = _detour(leg, around, database)
    async with ToxicProxy(connect, rng) as proxy, serving(around, database, **settings(proxy.port)) as service:
        yield service, proxy


def _detour(leg: str, around: Surroundings, database: Database) -> tuple[Connect, Callable[[int], dict[str, str]]]:
    """Where the proxy leads, and the settings by which the service comes to its port."""
    if leg == "postgresql":
        connect, url = through(database.url)
        return connect, lambda port: {"ASSISTANCE_DATABASE_URL": url(port)}
    far = {"slack": around.slack.api_url, "smtp": around.smtp.url, "jwks": around.jwks.url}[leg]
    own = str(urlsplit(far).port)

    def settings(port: int) -> dict[str, str]:
        near = far.replace(own, str(port))
        if leg == "slack":
            around.route(ROUTING.replace("{slack}", near))
            return {}
        return {{"smtp": "SMTP_URL", "jwks": "ASSISTANCE_OIDC_JWKS_URL"}[leg]: near}

    return to("127.0.0.1", int(own)), settings


def doubtful(database: Database) -> list[frozenset[str]]:
    """For each try of which nobody knows whether the message was taken, its key: so often it may come again."""
    unknown = {str(reason) for reason in (Reason.TIMEOUT, Reason.CONNECTION, Reason.UNREADABLE_ANSWER)}
    rows = database.read(f"SELECT request_id, n, reason FROM attempts WHERE outcome = '{Outcome.RETRY}'")
    return [frozenset({f"{row.request_id}.{row.n}"}) for row in rows if row.reason in unknown]


def reasons(database: Database) -> Counter[str]:
    """How the tries have ended."""
    rows = database.read("SELECT outcome, reason, count(*) AS tries FROM attempts GROUP BY outcome, reason")
    return Counter({str(row.reason or row.outcome): row.tries for row in rows})
