"""The one way out over HTTP: time-outs, vetted addresses, capped answers, redaction, and the verdict on each status."""

from assistance.outgoing.addresses import AddressGuard, ForbiddenAddressError, is_forbidden, is_loopback
from assistance.outgoing.http import Http, Timeouts
from assistance.outgoing.redaction import redact
from assistance.outgoing.reply import Reply

__all__ = [
    "AddressGuard",
    "ForbiddenAddressError",
    "Http",
    "Reply",
    "Timeouts",
    "is_forbidden",
    "is_loopback",
    "redact",
]
