"""The compact form of a signed token (RFC 7515, section 7.1), read strictly; nothing in it is trusted yet."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from assistance.security.tokens.principal import InvalidToken
from assistance.security.tokens.strict import from_base64url, json_object

MAX_CHARACTERS = 8192
"""Of a token; a longer one is refused unread."""

_REFUSED_HEADERS = frozenset({"crit", "b64", "zip", "enc"})
"""They change what the rest means (RFC 7515, section 4.1.11, RFC 7797, RFC 7516); no access token needs them."""
_TYPES = frozenset({"jwt", "at+jwt"})
"""RFC 7519, section 5.1, and RFC 9068, section 2.1; `application/` may stand before them."""


@dataclass(frozen=True, slots=True)
class Compact:
    """The parts of a token; `signed` is the text that the signature is for, exactly as it came."""

    algorithm: str
    kid: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read(token: str, algorithms: Collection[str]) -> Compact:
    """Split the token and check its form.

    Header fields that name a key or where to find one (`jku`, `x5u`, `jwk`, `x5c`) are ignored: keys come from the
    issuer only.

    Raises:
        InvalidToken: it has another form, or an algorithm that is not in `algorithms`.
    """
    if len(token) > MAX_CHARACTERS:
        raise InvalidToken("The token is too long.")
    try:
        signed, _, signature = token.rpartition(".")
        header, payload = map(from_base64url, signed.split("."))
        algorithm, kid = _read_header(json_object(header), algorithms)
        return Compact(algorithm, kid, json_object(payload), signed.encode(), from_base64url(signature))
    except ValueError:
        raise InvalidToken("The token is malformed.") from None


def _read_header(header: dict[str, Any], algorithms: Collection[str]) -> tuple[str, str | None]:
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise InvalidToken("The token is signed with an algorithm that is not allowed.")
    if not _REFUSED_HEADERS.isdisjoint(header):
        raise InvalidToken("The token needs an extension that is not supported.")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in _TYPES:
        raise InvalidToken("The token is not an access token.")
    if "kid" in header and not isinstance(kid, str):
        raise InvalidToken("The token's key id is not a string.")
    return algorithm, kid
