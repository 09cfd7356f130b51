"""The token issuer of development mode, with a key of its own in a folder."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from assistance.model import uuid7

KEY_FILE = "development-issuer.pem"
_KID = "development"


class DevelopmentIssuer:
    """Signs tokens with the key in a folder; never for production."""

    def __init__(self, folder: Path, issuer_url: str, audience: str) -> None:
        """Use the key in `folder`, made there first if there is none."""
        if not (folder / KEY_FILE).exists():
            _make_key(folder)
        key = serialization.load_pem_private_key((folder / KEY_FILE).read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"{KEY_FILE} holds no RSA key")
        self._key = key
        self._issuer_url = issuer_url
        self._audience = audience

    @classmethod
    def load(cls, folder: Path, issuer_url: str, audience: str) -> "DevelopmentIssuer":
        """Use the key in `folder`. Raises FileNotFoundError where there is none."""
        if not (folder / KEY_FILE).exists():
            raise FileNotFoundError(f"there is no {KEY_FILE} in {folder}")
        return cls(folder, issuer_url, audience)

    def jwks(self) -> dict[str, Any]:
        """The JWKS document (RFC 7517, section 5) to publish."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": _KID, "use": "sig", "alg": "RS256"}]}

    def token(self, scope: str, subject: str, *, now: float, lifetime: float = 3600) -> str:
        """An access token by RFC 9068 for `subject`, valid from `now` for `lifetime` seconds."""
        claims = {
            "iss": self._issuer_url,
            "aud": self._audience,
            "sub": subject,
            "client_id": subject,
            "scope": scope,
            "iat": int(now),
            "exp": int(now + lifetime),
            "jti": uuid7(now),
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"typ": "at+jwt", "kid": _KID})


def _make_key(folder: Path) -> None:
    """Race: put a new key into `folder` whole or not at all, and none where another process has put one."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{KEY_FILE}.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_bytes(pem)
    # A hard link, unlike a rename, never replaces a key that is in use.
    with suppress(FileExistsError):
        (folder / KEY_FILE).hardlink_to(draft)
    draft.unlink()
