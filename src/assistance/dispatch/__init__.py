"""The delivery engine: leases, lanes, pace, retries, breaker, auditor."""

from assistance.dispatch.auditor import Auditor
from assistance.dispatch.backlog import BacklogWatch
from assistance.dispatch.dispatcher import Dispatcher
from assistance.dispatch.sending import try_channel

__all__ = ["Auditor", "BacklogWatch", "Dispatcher", "try_channel"]
