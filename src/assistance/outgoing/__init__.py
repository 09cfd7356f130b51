"""Outgoing HTTP: time-outs, vetted addresses, capped answers, redaction, and the verdict on each status."""

from assistance.outgoing.addresses import AddressGuard, ForbiddenAddressError, is_forbidden, is_loopback
from assistance.outgoing.http import Http, Timeouts
from assistance.outgoing.response import HttpResponse, redact

__all__ = [
    "AddressGuard",
    "ForbiddenAddressError",
    "Http",
    "HttpResponse",
    "Timeouts",
    "is_forbidden",
    "is_loopback",
    "redact",
]
