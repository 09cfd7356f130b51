"""From an HTTP status or a network error to a verdict: decided here and nowhere else."""

import errno
import socket
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp

from assistance.model import Misconfigured, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing.addresses import ForbiddenAddressError

_HOUR = 3600.0

_BY_STATUS: Mapping[int, tuple[type[Verdict], Reason]] = {
    401: (Misconfigured, Reason.CREDENTIALS),
    403: (Misconfigured, Reason.CREDENTIALS),
    404: (Misconfigured, Reason.DESTINATION),
    408: (TryLater, Reason.TIMEOUT),
    410: (Misconfigured, Reason.DESTINATION),
    413: (Undeliverable, Reason.TOO_LONG),
    425: (TryLater, Reason.SERVER_ERROR),
    429: (TryLater, Reason.RATE_LIMITED),
}
_BY_CLASS: Mapping[int, tuple[type[Verdict], Reason]] = {
    # No redirect is followed: only the configured address was vetted.
    3: (Misconfigured, Reason.DESTINATION),
    4: (Undeliverable, Reason.REJECTED),
    5: (TryLater, Reason.SERVER_ERROR),
}

_BY_ERROR: tuple[tuple[type[Exception], type[Verdict], Reason], ...] = (
    (ForbiddenAddressError, Misconfigured, Reason.FORBIDDEN_ADDRESS),
    (TimeoutError, TryLater, Reason.TIMEOUT),
    (aiohttp.ClientSSLError, TryLater, Reason.TLS),
    (aiohttp.InvalidURL, Misconfigured, Reason.DESTINATION),
    (aiohttp.ClientResponseError, TryLater, Reason.UNREADABLE_ANSWER),
)


def status_verdict(status: int, after: float | None = None) -> Verdict | None:
    """What an answer with this status means (RFC 9110, section 15); None for 2xx: it was accepted.

    `after` is in seconds, from `Retry-After`; it counts only where the message is tried again.
    """
    family = status // 100
    if family == 2:  # noqa: PLR2004 - the class of statuses that says success
        return None
    kind, reason = _BY_STATUS.get(status) or _BY_CLASS.get(family) or (TryLater, Reason.UNREADABLE_ANSWER)
    return kind(reason, after if kind is TryLater else None, code=str(status))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds in `Retry-After`, one hour at most; None when it is absent or cannot be read.

    Both forms of RFC 9110, section 10.2.3: a number of seconds, or a date, which is compared with `now`.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _HOUR)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return min(max(date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now, 0.0), _HOUR)


def error_verdict(error: Exception) -> Verdict:
    """What a failure below HTTP means. Leak: nothing of the error's own text is kept, it may name the URL.

    A failed certificate check is `TryLater`: the provider renews an expired certificate, and no reload of ours would
    start a parked channel again.
    """
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    for cause_kind, kind, reason in _BY_ERROR:
        if isinstance(error, cause_kind) or isinstance(cause, cause_kind):
            return kind(reason)
    code = "dns" if isinstance(cause, socket.gaierror) else errno.errorcode.get(getattr(cause, "errno", None) or 0)
    return TryLater(Reason.CONNECTION, code=code)
