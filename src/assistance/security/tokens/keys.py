"""The keys that an issuer publishes (RFC 7517): those that may check a token."""

from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from assistance.security.tokens.principal import InvalidToken
from assistance.security.tokens.strict import json_object

MIN_RSA_BITS = 2048
"""RFC 7518, section 3.3."""

_BY_KIND = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Key type and curve, and the algorithms that they serve: asymmetric ones only."""

ALGORITHMS = frozenset(name for names in _BY_KIND.values() for name in names)
"""All that a token may be signed with; the operator chooses among them."""

_NUMBERS = ("n", "e", "x", "y")


class UnreadableKeysError(Exception):
    """It is no key set; the text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, its id (`kid`) if it has one, and the algorithms that it serves."""

    id: str | None
    algorithms: frozenset[str]
    public: Any

    def has_signed(self, message: bytes, signature: bytes, algorithm: str) -> bool:
        """Whether `signature` is this key's for `message`; `algorithm` must be one of its own."""
        method = jwt.get_algorithm_by_name(algorithm)
        return method.verify(message, method.prepare_key(self.public), signature)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer at one moment."""

    keys: tuple[Key, ...]

    @classmethod
    def parse(cls, document: bytes) -> "KeySet":
        """The usable keys of a JWKS document. Others are left out: they may have another purpose.

        Raises:
            UnreadableKeysError: it is no JWKS document at all.
        """
        try:
            listed = json_object(document).get("keys")
        except ValueError:
            raise UnreadableKeysError("the keys are not a JSON object") from None
        if not isinstance(listed, list):
            raise UnreadableKeysError("there is no list of keys")
        found = (_usable(entry) for entry in listed if isinstance(entry, dict))
        return cls(tuple(key for key in found if key is not None))

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key with that id which serves the algorithm; without an id, the only one that serves it.

        Raises:
            InvalidToken: several keys fit, so that which one signed would be a guess.
        """
        fitting = [key for key in self.keys if algorithm in key.algorithms and kid in {None, key.id}]
        if len(fitting) > 1:
            raise InvalidToken("The token does not say which key signed it.")
        return fitting[0] if fitting else None


def _usable(entry: dict[str, Any]) -> Key | None:
    algorithms = _serves(entry)
    if not algorithms or any(not isinstance(entry.get(name, ""), str) for name in _NUMBERS):
        return None
    try:
        public = jwt.PyJWK(entry, min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        return None
    return Key(entry.get("kid"), algorithms, public)


def _serves(entry: dict[str, Any]) -> frozenset[str]:
    """The algorithms that the entry may be used for; none when it is not for checking signatures."""
    purpose, operations = entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    if purpose != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    # A key published with its private part proves nothing: everybody can sign with it.
    if "d" in entry or not isinstance(entry.get("kid", ""), str):
        return frozenset()
    kind, curve, named = entry.get("kty"), entry.get("crv"), entry.get("alg")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return frozenset()
    served = frozenset(_BY_KIND.get((kind, curve), ()))
    return served if named is None else frozenset(name for name in served if name == named)
