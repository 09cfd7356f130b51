"""Every attack on a token that the service must refuse: its name, how to forge the token, and the expected answer.

The verifier must know `Forger.jwks()`. Attacks that need more than a token (two headers, a cookie, a query) are in
the tests of the service.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.fakes import attacks_on_claims, attacks_on_form
from tests.fakes.forgery import Make

Expected = Literal["invalid", "forbidden"]


class Attack(NamedTuple):
    """`make(forger)` returns the token. `invalid`: 401; `forbidden`, without the scope `request-assistance`: 403."""

    name: str
    make: Make
    expected: Expected


def attacks() -> list[Attack]:
    """All attacks."""
    invalid = _listed({**attacks_on_form.FORM, **attacks_on_claims.INVALID}, "invalid")
    return [*invalid, *_listed(attacks_on_claims.FORBIDDEN, "forbidden")]


def _listed(families: dict[str, dict[str, Make]], expected: Expected) -> Iterator[Attack]:
    for family, variants in families.items():
        for name, make in variants.items():
            yield Attack(f"{family}: {name}", make, expected)
