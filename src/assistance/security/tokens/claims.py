"""The claims of a token (RFC 7519, section 4.1; RFC 9068, section 2.2), and the client that they name."""

import math
import re
from typing import Any, TypeGuard

from assistance.security.tokens.principal import InvalidToken, Principal

MAX_SUBJECT = 255
"""Characters; OpenID Connect Core 1.0, section 2."""

LEEWAY = 30.0
"""Seconds that the issuer's clock may differ from ours."""

_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
"""What only an ID token has (OpenID Connect Core 1.0): it says who logged in, not what a client may do."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def judge(claims: dict[str, Any], *, issuer: str, audience: str, now: float) -> Principal:
    """The client that the claims name, if they are for us and for now.

    Args:
        claims: the token's payload.
        issuer: the one we trust, compared exactly.
        audience: our own name, compared exactly.
        now: seconds since the epoch.

    Raises:
        InvalidToken: they are not.
    """
    if claims.get("iss") != issuer:
        raise InvalidToken("The token is from another issuer.")
    if audience not in _audiences(claims.get("aud")):
        raise InvalidToken("The token is for another audience.")
    if not _ID_TOKEN_CLAIMS.isdisjoint(claims):
        raise InvalidToken("The token is an ID token, not an access token.")
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise InvalidToken("The token never expires.")
    if now >= expires_at + LEEWAY:
        raise InvalidToken("The token has expired.")
    if any((_instant(claims, name) or now) > now + LEEWAY for name in ("nbf", "iat")):
        raise InvalidToken("The token is not valid yet.")
    return Principal(_subject(claims), _scopes(claims), expires_at)


def _audiences(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    names = [name for name in values if isinstance(name, str)]
    if len(names) != len(values):
        raise InvalidToken("The token's audience is not a string.")
    return names


def _instant(claims: dict[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2), None where there is none."""
    if name not in claims:
        return None
    value = claims[name]
    try:
        if type(value) in {int, float} and math.isfinite(value):  # a bool is an int to isinstance
            return float(value)
    except OverflowError:
        pass
    raise InvalidToken("The token's times are not numbers.")


def is_subject(value: object) -> TypeGuard[str]:
    """Whether it can be a client's name: 1 to 255 characters, none that controls a terminal."""
    return isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT and not _CONTROL.search(value)


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not is_subject(subject):
        raise InvalidToken("The token has no usable subject.")
    return subject


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Words of `scope` (RFC 6749, section 3.3: one space between them), elements of `permissions` (Auth0's RBAC)."""
    scope, permissions = claims.get("scope"), claims.get("permissions")
    words = scope.split(" ") if isinstance(scope, str) else []
    listed = permissions if isinstance(permissions, list) else []
    return frozenset(word for word in (*words, *listed) if isinstance(word, str) and word)
