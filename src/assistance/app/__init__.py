"""Puts the rooms together: the only place that knows all of them."""

from assistance.app.house import House, Role, open_house
from assistance.app.running import RefusedError, live, serve

__all__ = ["House", "RefusedError", "Role", "live", "open_house", "serve"]
