"""What the store raises."""

from assistance.model import Claim


class StoreUnavailableError(Exception):
    """It could not be stored or read now; nothing was changed, or it is unknown whether it was."""


class StoreBrokenError(StoreUnavailableError):
    """A failed fsync or a corrupt file: what is on the disk is unknown, and this process must end."""


class StoreRefusedError(Exception):
    """The database cannot be used as it is: outdated, unsafe settings, in use by another process. Says what to do."""


class KeyReusedError(Exception):
    """The idempotency key was used before with another body."""


class NotFoundError(LookupError):
    """There is no such request, or it is not the caller's to see."""


class NoSuchDeliveryError(NotFoundError):
    """There is such a request, but it has no such delivery."""


class ConflictError(Exception):
    """The request's state does not allow that; `claim` says who has the request, or None."""

    def __init__(self, text: str, claim: Claim | None = None) -> None:
        super().__init__(text)
        self.claim = claim


class TooManyFollowUpsError(ConflictError):
    """The request has all the follow-ups it may have."""


class ChangedError(Exception):
    """The request's version is none of those that the command names."""
