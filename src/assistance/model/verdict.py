"""Why one try to send failed: a channel raises one of these."""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reasons, the same in logs, metrics and the time line."""

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


class Verdict(Exception):  # noqa: N818 - not an error of ours: what a provider answers to one message
    """Why one try did not deliver.

    Args:
        reason: one of `Reason`; any other short text is shown as it is and counted as `other`.
        after: seconds in which the provider accepts no further message (`Retry-After`).
        code: the provider's own code, for example `channel_not_found` or `503`.
        answer: the start of the provider's answer, free of secrets.
    """

    def __init__(
        self, reason: str, after: float | None = None, *, code: str | None = None, answer: str | None = None
    ) -> None:
        super().__init__(reason if code is None else f"{reason}: {code}")
        self.reason = reason
        self.after = after
        self.code = code
        self.answer = answer


class TryLater(Verdict):
    """It may work later: the message is tried again, never before `after` seconds."""


class Misconfigured(Verdict):
    """The channel itself is wrong (token, destination): it is parked, and none of its messages loses a try."""


class Undeliverable(Verdict):
    """This message will never be accepted: it is tried once more as short plain text, then it is failed."""
