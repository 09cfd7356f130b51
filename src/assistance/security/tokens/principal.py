"""Who calls, and why a caller is turned away."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a verified token speaks for.

    `subject` is the token's `sub`: the client. `scopes` are its rights, exact words. `expires_at` is its `exp`,
    seconds since the epoch.
    """

    subject: str
    scopes: frozenset[str]
    expires_at: float


class InvalidToken(Exception):  # noqa: N818 - named after the error code of RFC 6750, section 3.1
    """The token proves nothing: 401. `detail` is a sentence of our own, fit for the caller, plain ASCII, no quotes."""

    def __init__(self, detail: str) -> None:
        """See the class."""
        super().__init__(detail)
        self.detail = detail


class CannotVerify(Exception):  # noqa: N818 - not wrong, only not now
    """The issuer's keys cannot be had: 503. `detail` is for the caller, `reason` for the operator; both harmless."""

    detail = "The token cannot be checked at the moment."

    def __init__(self, reason: str) -> None:
        """See the class."""
        super().__init__(reason)
        self.reason = reason
