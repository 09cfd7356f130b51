"""Who calls, and why a caller is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The client that a verified token was issued to.

    `subject` is the token's `sub`: the client. `scopes` are its rights, exact words. `expires_at` is its `exp`,
    seconds since the epoch.
    """

    subject: str
    scopes: frozenset[str]
    expires_at: float


class InvalidToken(Exception):  # noqa: N818 - named after the error code of RFC 6750, section 3.1
    """The token is refused: 401. `detail` is a sentence for the caller, in plain ASCII; it quotes nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class CannotVerify(Exception):  # noqa: N818 - the token may be good
    """The issuer's keys cannot be fetched: 503. `detail` is for the caller, `reason` for the operator; no secrets."""

    detail = "The token cannot be checked at the moment."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
