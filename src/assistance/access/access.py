"""Who calls: the bearer token, and the rate limits of those who have one and of those who have none."""

import structlog
from fastapi import Request

from assistance.access.limits import RateLimit, address_key
from assistance.security import CannotVerify, InvalidToken, Principal, TokenVerifier
from assistance.server.problems import Problem

log = structlog.get_logger(__name__)


def unauthorized(detail: str) -> Problem:
    """401 by RFC 6750, section 3."""
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return Problem(
        401, "Unauthorized", detail, type_="/problems/invalid-token", headers={"WWW-Authenticate": challenge}
    )


def forbidden(scope: str) -> Problem:
    """403 by RFC 6750, section 3.1, naming the scope that is missing."""
    return Problem(
        403,
        "Insufficient scope",
        f"The token lacks the scope {scope}.",
        type_="/problems/insufficient-scope",
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        scope=scope,
    )


class Access:
    """Checks the token of a request and counts it: per client with a valid token, else per address."""

    def __init__(self, verifier: TokenVerifier, per_client: RateLimit, per_address: RateLimit) -> None:
        self._verifier = verifier
        self._per_client = per_client
        self._per_address = per_address

    async def anyone(self, request: Request) -> Principal:
        """The caller, by a valid token of any scope. Raises Problem: 401, 429, or 503 when it cannot be checked."""
        try:
            token = _token(request)
            principal = self._verifier.verify_cached(token) or await self._verifier.verify(token)
        except InvalidToken as error:
            self._per_address.spend(address_key(request.client.host if request.client else ""))
            raise unauthorized(error.detail) from None
        except CannotVerify as error:
            log.warning("token_not_checkable", reason=error.reason)
            raise Problem(
                503,
                "Token not checkable",
                error.detail,
                type_="/problems/token-not-checkable",
                headers={"Retry-After": "5"},
            ) from None
        request.scope["state"]["client"] = principal.subject
        self._per_client.spend(principal.subject)
        return principal


def _token(request: Request) -> str:
    values = request.headers.getlist("authorization")
    if not values:
        raise InvalidToken("A bearer token is required.")
    if len(values) > 1:
        raise InvalidToken("There must be one Authorization header.")
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("The Authorization header must hold a bearer token.")
    return token.strip(" ")
