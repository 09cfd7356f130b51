"""The one outgoing HTTP seam."""

from assistance.outgoing.http import Http, Reply

__all__ = ["Http", "Reply"]
