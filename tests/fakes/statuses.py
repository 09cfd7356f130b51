"""The verdict for each HTTP status: the table of the rules, written a second time and independent of the code."""

from assistance.model import Misconfigured, Reason, TryLater, Undeliverable, Verdict

CREDENTIALS = {401, 403}
DESTINATION = {404, 410, *range(300, 400)}
LATER = {408, 425, 429, *range(500, 600)}


def expected(status: int) -> tuple[type[Verdict], Reason] | None:
    """The verdict's class and reason; None for a delivered message."""
    if 200 <= status < 300:
        return None
    if status in LATER:
        special = {408: Reason.TIMEOUT, 429: Reason.RATE_LIMITED}
        return TryLater, special.get(status, Reason.SERVER_ERROR)
    if status in CREDENTIALS:
        return Misconfigured, Reason.CREDENTIALS
    if status in DESTINATION:
        return Misconfigured, Reason.DESTINATION
    if 400 <= status < 500:
        return Undeliverable, Reason.TOO_LONG if status == 413 else Reason.REJECTED
    return TryLater, Reason.UNREADABLE_ANSWER
