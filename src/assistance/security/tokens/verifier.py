"""Bearer tokens: from the text in the header to whom it speaks for."""

from collections.abc import Collection
from hashlib import sha256

from assistance.model import Clock
from assistance.security.tokens.claims import judge
from assistance.security.tokens.compact import MAX_CHARACTERS, read
from assistance.security.tokens.jwks import Jwks
from assistance.security.tokens.keys import ALGORITHMS, KeySet
from assistance.security.tokens.principal import InvalidToken, Principal

MAX_LEEWAY = 60.0
"""Seconds."""
REMEMBERED = 10_000
"""Verified tokens kept, about 10 MB at the most; the oldest goes first."""


class TokenVerifier:
    """Verifies the access tokens of one issuer for one audience."""

    def __init__(
        self,
        jwks: Jwks,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str],
        leeway: float = 30.0,
    ) -> None:
        """Pin what a good token looks like.

        Args:
            jwks: the issuer's keys.
            clock: tells the time.
            issuer: its `iss`, exactly.
            audience: what its `aud` must be or hold, exactly.
            algorithms: what it may be signed with, asymmetric ones only.
            leeway: seconds that the issuer's clock may differ, 60 at most.

        Raises:
            ValueError: an algorithm that must never be allowed, none at all, or too much leeway.
        """
        if not algorithms or not ALGORITHMS.issuperset(algorithms):
            raise ValueError(f"tokens may be signed with {', '.join(sorted(ALGORITHMS))} only")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise ValueError(f"leeway is between 0 and {MAX_LEEWAY:g} seconds")
        self._issuer = issuer
        self._audience = audience
        self._algorithms = frozenset(algorithms)
        self._jwks = jwks
        self._clock = clock
        self._leeway = leeway
        self._remembered: dict[bytes, Principal] = {}
        self._remembered_under: KeySet | None = None

    async def verify(self, token: str) -> Principal:
        """Whom the token speaks for. Waits only where its key must be fetched.

        Raises:
            InvalidToken: it proves nothing.
            CannotVerify: its key is not at hand and cannot be had.
        """
        principal = self.verify_cached(token)
        if principal is not None:
            return principal
        compact = read(token, self._algorithms)
        # The claims come first: a token that is not for us must not make us fetch keys.
        principal = judge(
            compact.claims,
            issuer=self._issuer,
            audience=self._audience,
            now=self._clock.now(),
            leeway=self._leeway,
        )
        key = await self._jwks.key(compact.kid, compact.algorithm)
        if key is None:
            raise InvalidToken("The token is signed with an unknown key.")
        if not key.has_signed(compact.signed, compact.signature, compact.algorithm):
            raise InvalidToken("The token's signature is wrong.")
        self._remember(token, principal)
        return principal

    def verify_cached(self, token: str) -> Principal | None:
        """Whom the token speaks for if that was found out before and still holds."""
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
        # All at once: issuers change keys so rarely that knowing which key vouched for which token is not worth it.
        keys = self._jwks.current
        if keys is not self._remembered_under:
            self._remembered.clear()
            self._remembered_under = keys


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
