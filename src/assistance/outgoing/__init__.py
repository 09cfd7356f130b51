"""The one way out over HTTP: time-outs, vetted addresses, capped answers, redaction, and the verdict on each status."""

from assistance.outgoing.addresses import ForbiddenAddressError, Guard, is_forbidden, is_loopback
from assistance.outgoing.http import Http, Timeouts
from assistance.outgoing.redaction import redact
from assistance.outgoing.reply import Reply

__all__ = ["ForbiddenAddressError", "Guard", "Http", "Reply", "Timeouts", "is_forbidden", "is_loopback", "redact"]
