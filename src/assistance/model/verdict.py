"""What became of one try to send, said by a channel by raising one of these."""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reasons: log field, metric label and time line use the same words."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNREADABLE_ANSWER = "unreadable_answer"
    CREDENTIALS = "credentials"
    DESTINATION = "destination"
    FORBIDDEN_ADDRESS = "forbidden_address"
    REJECTED = "rejected"
    TOO_LONG = "too_long"
    UNKNOWN_CHANNEL = "unknown_channel"
    BUG = "bug"
    OTHER = "other"


class Verdict(Exception):  # noqa: N818 - not an error of ours: the provider's word on one message
    """Why one try did not deliver.

    Args:
        reason: one of `Reason`; any other short text is shown as it is and counted as `other`.
        after: seconds before which the destination wants no further message (`Retry-After`).
        code: the provider's own word, for example `channel_not_found` or `503`.
        answer: the start of the provider's answer, free of secrets.
    """

    def __init__(
        self, reason: str, after: float | None = None, *, code: str | None = None, answer: str | None = None
    ) -> None:
        """See the class."""
        super().__init__(reason if code is None else f"{reason}: {code}")
        self.reason = reason
        self.after = after
        self.code = code
        self.answer = answer


class TryLater(Verdict):
    """It may work later: the message is tried again by the schedule, never before `after` seconds."""


class Misconfigured(Verdict):
    """The channel itself is wrong (token, destination): it is parked, and no message of it burns a try."""


class Undeliverable(Verdict):
    """This message will never be taken: once more as short plain text, then failed."""
