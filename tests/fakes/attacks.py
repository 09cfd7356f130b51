"""Every attack on a token that the service must withstand: a name, how to forge it, and how it must end.

The verifier must know `Forger.jwks()`. What an attack needs beyond a token (two headers, a cookie, a query) belongs to
the tests of the HTTP room.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.fakes import attacks_on_claims, attacks_on_form
from tests.fakes.forgery import Make

Expected = Literal["invalid", "forbidden"]


class Attack(NamedTuple):
    """`make(forger)` gives the token. `invalid` ends in 401; `forbidden` lacks the right `request-assistance`: 403."""

    name: str
    make: Make
    expected: Expected


def attacks() -> list[Attack]:
    """The whole list."""
    invalid = _listed({**attacks_on_form.FORM, **attacks_on_claims.INVALID}, "invalid")
    return [*invalid, *_listed(attacks_on_claims.FORBIDDEN, "forbidden")]


def _listed(families: dict[str, dict[str, Make]], expected: Expected) -> Iterator[Attack]:
    for family, variants in families.items():
        for name, make in variants.items():
            yield Attack(f"{family}: {name}", make, expected)
