"""A service that reaches one of its servers only through a toxic proxy, and the toxics for it."""

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
"""Connections are cut after fewer bytes than this, and so than any message has."""


@dataclass(frozen=True)
class Spell:
    """Toxics for some time. `down`: connections are refused; `forget`: silent ones stay silent for ever."""

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
    """Begin the spell."""
    proxy.spoil(requests=spell.requests(rng), answers=spell.answers(rng))
    if spell.down:
        await proxy.down()


async def lift(proxy: ToxicProxy, spell: Spell) -> None:
    """End the spell."""
    proxy.heal(forget=spell.forget)
    if spell.down:
        await proxy.up()


@asynccontextmanager
async def troubled(
    leg: str, around: Surroundings, database: Database, rng: random.Random
) -> AsyncIterator[tuple[ServiceProcess, ToxicProxy]]:
    """A service that reaches `leg` through a proxy, without toxics at first."""
    connect, settings = _detour(leg, around, database)
    async with ToxicProxy(connect, rng) as proxy, serving(around, database, **settings(proxy.port)) as service:
        yield service, proxy


def _detour(leg: str, around: Surroundings, database: Database) -> tuple[Connect, Callable[[int], dict[str, str]]]:
    """The proxy's target, and the settings that lead the service to the proxy's port."""
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
    """The key of each try whose outcome is unknown: for each, the message may arrive once more."""
    unknown = {str(reason) for reason in (Reason.TIMEOUT, Reason.CONNECTION, Reason.UNREADABLE_ANSWER)}
    rows = database.read(f"SELECT request_id, n, reason FROM attempts WHERE outcome = '{Outcome.RETRY}'")
    return [frozenset({f"{row.request_id}.{row.n}"}) for row in rows if row.reason in unknown]


def reasons(database: Database) -> Counter[str]:
    """How often the tries ended in each outcome."""
    rows = database.read("SELECT outcome, reason, count(*) AS tries FROM attempts GROUP BY outcome, reason")
    return Counter({str(row.reason or row.outcome): row.tries for row in rows})
