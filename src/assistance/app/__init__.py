"""Puts the rooms together: the only place that knows all of them."""

from assistance.app.development import AUDIENCE, ISSUER, VAR
from assistance.app.house import House, Role, open_house
from assistance.app.running import RefusedError, live, serve

__all__ = ["AUDIENCE", "ISSUER", "VAR", "House", "RefusedError", "Role", "live", "open_house", "serve"]
