"""Makes tokens: valid ones, and forged ones."""

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ABSENT: Any = object()
"""As the value of a claim or header field: leave the field out."""

Json = dict[str, Any]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name during a test run: generating keys is slow."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: PrivateKey, **members: Any) -> Json:
    """The key's public part as an entry of a JWKS, with these further members."""
    if isinstance(key, rsa.RSAPrivateKey):
        entry = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        entry = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in {**entry, **members}.items() if value is not ABSENT}


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def segment(data: Json | bytes) -> str:
    """A part of a token: canonical base64url of the bytes, or of the JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class Forger:
    """Signs with an issuer's private keys, and with keys that no issuer should publish.

    `a` and `b` are valid RSA keys, `ec` is a valid EC key; `jwks` also publishes keys that must not be used.
    """

    issuer: str
    audience: str
    now: float
    scope: str = "request-assistance ping"

    def jwks(self) -> list[Json]:
        """What the issuer publishes."""
        trap = rsa_key("trap")
        return [
            public_jwk(rsa_key("a"), kid="a", use="sig", alg="RS256"),
            public_jwk(rsa_key("b"), kid="b"),
            public_jwk(ec_key(), kid="ec", use="sig"),
            public_jwk(trap, kid="for-encryption", use="enc"),
            public_jwk(trap, kid="for-signing-only", key_ops=["sign"]),
            public_jwk(trap, kid="other-algorithm", alg="RS512"),
            {**jwt.algorithms.RSAAlgorithm.to_jwk(trap, as_dict=True), "kid": "private", "key_ops": ["sign", "verify"]},
            public_jwk(rsa_key("small", 1024), kid="small"),
            {"kty": "oct", "kid": "symmetric", "k": segment(b"k" * 32)},
        ]

    def claims(self, **changes: Any) -> Json:
        """A valid payload with these changes."""
        good = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "bot-1@clients",
            "iat": int(self.now) - 1,
            "exp": int(self.now) + 3600,
            "scope": self.scope,
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not ABSENT}

    def header(self, **changes: Any) -> Json:
        """A valid header with these changes."""
        good = {"alg": "RS256", "typ": "at+jwt", "kid": "a"}
        return {name: value for name, value in {**good, **changes}.items() if value is not ABSENT}

    def token(self, **claims: Any) -> str:
        """A token signed with key `a`, with these changes to a valid payload."""
        return self.seal(segment(self.header()), segment(self.claims(**claims)))

    def headed(self, key: PrivateKey | None = None, **header: Any) -> str:
        """A token with these changes to a valid header, signed RS256 with `key` (default: `a`)."""
        return self.seal(segment(self.header(**header)), segment(self.claims()), key)

    def signed_as(self, algorithm: str, key: PrivateKey | None = None, kid: str = "a") -> str:
        """A token whose signature is made with that algorithm."""
        head = segment(self.header(alg=algorithm, kid=kid))
        return self.seal(head, segment(self.claims()), key, algorithm)

    def symmetric(self, secret: bytes, kid: str = "a") -> str:
        """A token signed HS256 with `secret`."""
        signed = f"{segment(self.header(alg='HS256', kid=kid))}.{segment(self.claims())}"
        return f"{signed}.{segment(hmac.digest(secret, signed.encode(), 'sha256'))}"

    def paid(self, payload: bytes) -> str:
        """A correctly signed token with that payload, JSON or not."""
        return self.seal(segment(self.header()), segment(payload))

    def seal(self, head: str, payload: str, key: PrivateKey | None = None, algorithm: str = "RS256") -> str:
        """Sign two parts as they are."""
        method = jwt.get_algorithm_by_name(algorithm)
        signature = method.sign(f"{head}.{payload}".encode(), key or rsa_key("a"))
        return f"{head}.{payload}.{segment(signature)}"
