"""Bearer tokens: from the text in the header to the client.

PyJWT checks signatures and reads keys. Form, claims and times are checked here: PyJWT accepts texts that another reader
reads differently (a name twice, padding), takes the time from the system, and quotes the token in its errors.
"""

from collections.abc import Collection
from hashlib import sha256

from assistance.model import Clock
from assistance.security.tokens.claims import judge
from assistance.security.tokens.compact import MAX_CHARACTERS, read
from assistance.security.tokens.jwks import Jwks
from assistance.security.tokens.keys import ALGORITHMS, KeySet
from assistance.security.tokens.principal import InvalidToken, Principal

REMEMBERED = 10_000
"""Verified tokens kept, about 10 MB at the most; the oldest goes first."""


class TokenVerifier:
    """Verifies the access tokens of one issuer for one audience."""

    def __init__(self, jwks: Jwks, clock: Clock, *, issuer: str, audience: str, algorithms: Collection[str]) -> None:
        """Set what a good token is.

        Args:
            jwks: the issuer's keys.
            clock: for the times in a token.
            issuer: what its `iss` must be, exactly.
            audience: what its `aud` must be or hold, exactly.
            algorithms: those it may be signed with, asymmetric ones only.

        Raises:
            ValueError: an algorithm that must never be allowed, or none at all.
        """
        if not algorithms or not ALGORITHMS.issuperset(algorithms):
            raise ValueError(f"tokens may be signed with {', '.join(sorted(ALGORITHMS))} only")
        self._issuer = issuer
        self._audience = audience
        self._algorithms = frozenset(algorithms)
        self._jwks = jwks
        self._clock = clock
        self._remembered: dict[bytes, Principal] = {}
        self._remembered_under: KeySet | None = None

    async def verify(self, token: str) -> Principal:
        """The client of the token. Waits only where its key must be fetched.

        Raises:
            InvalidToken: it is refused.
            CannotVerify: its key is unknown and the issuer cannot be asked.
        """
        principal = self.verify_cached(token)
        if principal is not None:
            return principal
        compact = read(token, self._algorithms)
        # Load: claims are checked first, so that a token for others makes us fetch nothing.
        principal = judge(compact.claims, issuer=self._issuer, audience=self._audience, now=self._clock.now())
        key = await self._jwks.key(compact.kid, compact.algorithm)
        if key is None:
            raise InvalidToken("The token is signed with an unknown key.")
        if not key.has_signed(compact.signed, compact.signature, compact.algorithm):
            raise InvalidToken("The token's signature is wrong.")
        self._remember(token, principal)
        return principal

    def verify_cached(self, token: str) -> Principal | None:
        """The client of the token if it was verified before, with keys still in use, and has not expired."""
        if len(token) > MAX_CHARACTERS or not token.isascii():
            return None
        self._forget_if_keys_changed()
        principal = self._remembered.get(_digest(token))
        if principal is None or self._clock.now() >= principal.expires_at:
            return None
        return principal

    def _remember(self, token: str, principal: Principal) -> None:
        self._forget_if_keys_changed()
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[_digest(token)] = principal

    def _forget_if_keys_changed(self) -> None:
        # All of them: issuers change keys too rarely for remembering which key has signed which token.
        keys = self._jwks.current
        if keys is not self._remembered_under:
            self._remembered.clear()
            self._remembered_under = keys


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
