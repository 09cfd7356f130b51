"""Assistance API: the hand-off from a bot to people."""

__version__ = "0.1.0"
