"""Accepting requests: what a bot may send, and the one commit after which nothing of it is lost."""

from assistance.intake.ask import Ask, Said, Urgency, WithoutNul
from assistance.intake.intake import AcceptedRequest, Caller, Intake, UnknownCallbackError, answer

__all__ = [
    "AcceptedRequest",
    "Ask",
    "Caller",
    "Intake",
    "Said",
    "UnknownCallbackError",
    "Urgency",
    "WithoutNul",
    "answer",
]
