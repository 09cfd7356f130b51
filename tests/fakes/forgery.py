"""Ways to forge one token: each returns a function from the forger to the token."""

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.tokens import ABSENT, Forger, rsa_key, segment

Make = Callable[[Forger], str]


def claim(name: str, value: object) -> Make:
    return lambda forger: forger.token(**{name: value})


def head(**header: Any) -> Make:
    return lambda forger: forger.headed(**header)


def foreign(**header: Any) -> Make:
    return lambda forger: forger.headed(rsa_key("foreign"), **header)


def trap(kid: str) -> Make:
    return lambda forger: forger.headed(rsa_key("trap"), kid=kid)


def payload(payload: bytes) -> Make:
    return lambda forger: forger.paid(payload)


def spliced(make: Callable[[str, str, str], str]) -> Make:
    return lambda forger: make(*forger.token().split("."))


def unsigned(algorithm: object) -> Make:
    return lambda forger: f"{segment(forger.header(alg=algorithm))}.{segment(forger.claims())}."


def json_tail(tail: str) -> Make:
    """The good payload as text with `tail` before its closing brace."""
    return lambda forger: forger.paid((json.dumps(forger.claims())[:-1] + tail + "}").encode())


def raw_expiry(number: str) -> Make:
    """`exp` in a spelling that no JSON encoder writes."""
    return lambda forger: forger.paid((json.dumps(forger.claims(exp=ABSENT))[:-1] + f', "exp": {number}}}').encode())


def flipped(part: str) -> str:
    """One bit of one character in the middle is flipped."""
    middle = len(part) // 2
    return part[:middle] + ("A" if part[middle] != "A" else "B") + part[middle + 1 :]


def resealed(change: Callable[[str, str], tuple[str, str]]) -> Make:
    """Header and payload changed as text, then correctly signed."""
    return lambda forger: forger.seal(*change(segment(forger.header()), segment(forger.claims())))


def loose_bits(part: str) -> str:
    """The same bytes in another spelling: an unused bit of the last character is set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]


def padded_to(remainder: int, forger: Forger) -> str:
    """A payload segment whose length leaves `remainder` bytes over, so that it has unused bits."""
    return next(part for n in range(3) if len(part := segment(forger.claims(pad="x" * n))) % 4 == remainder)
