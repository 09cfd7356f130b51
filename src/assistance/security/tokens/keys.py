"""The keys that an issuer publishes (RFC 7517): those that may check a token."""

from dataclasses import dataclass
from typing import Any

import jwt

from assistance.security.tokens.principal import InvalidToken
from assistance.security.tokens.strict import json_object

_BY_KIND: dict[tuple[Any, Any], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Key type and curve, and the algorithms that they serve: asymmetric ones only."""

ALGORITHMS = frozenset(name for names in _BY_KIND.values() for name in names)
"""All that a token may be signed with; the operator chooses among them."""


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
        found = map(_usable, listed)
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


def _usable(entry: Any) -> Key | None:
    try:
        algorithms = _serves(entry)
        key = jwt.PyJWK(entry, min(algorithms)) if algorithms else None
        if key is None or key.Algorithm.check_key_length(key.key):
            return None
    except Exception:  # noqa: BLE001 - an entry may hold anything, and a bad one must not spoil the others
        return None
    return Key(entry.get("kid"), algorithms, key.key)


def _serves(entry: dict[str, Any]) -> frozenset[str]:
    """The algorithms that the entry may be used for; none when it is not for checking signatures."""
    purpose, operations = entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    if purpose != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    # A key published with its private part proves nothing: everybody can sign with it.
    if "d" in entry or not isinstance(entry.get("kid", ""), str):
        return frozenset()
    served = frozenset(_BY_KIND.get((entry.get("kty"), entry.get("crv")), ()))
    named = entry.get("alg")
    return served if named is None else frozenset(name for name in served if name == named)
