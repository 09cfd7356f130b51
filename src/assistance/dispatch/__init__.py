"""The delivery engine: leases, lanes, pace, retries, breaker."""

from assistance.dispatch.dispatcher import Dispatcher
from assistance.dispatch.sending import try_channel

__all__ = ["Dispatcher", "try_channel"]
