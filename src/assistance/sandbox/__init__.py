"""The fake Slack and mail server of development mode, which are the tests' own stubs too.

Nothing of this room is imported outside development mode and tests.
"""

from assistance.sandbox.development import Sandbox, starter
from assistance.sandbox.page import router

__all__ = ["Sandbox", "router", "starter"]
