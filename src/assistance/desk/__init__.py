"""What agents, bots and operators do to a request after it was accepted."""

from assistance.desk.desk import MOST_REPLAYED, Desk, Dispatching, Replayed, Waiting

__all__ = ["MOST_REPLAYED", "Desk", "Dispatching", "Replayed", "Waiting"]
