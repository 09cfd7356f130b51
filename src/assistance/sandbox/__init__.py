"""The fake Slack and mail server of development mode and of tests; imported nowhere else."""

from assistance.sandbox.page import router
from assistance.sandbox.sandbox import Sandbox, starter

__all__ = ["Sandbox", "router", "starter"]
