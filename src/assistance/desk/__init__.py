"""What people, bots and time do to a request after it was accepted."""

from assistance.desk.desk import MOST_REPLAYED, Desk, Dispatching, SentAgain

__all__ = ["MOST_REPLAYED", "Desk", "Dispatching", "SentAgain"]
