"""Intake: validation and the one commit that makes a request ours to deliver."""

from assistance.intake.ask import Ask, Said, Urgency
from assistance.intake.intake import AcceptedRequest, Caller, Intake, UnknownCallbackError, answer

__all__ = [
    "AcceptedRequest",
    "Ask",
    "Caller",
    "Intake",
    "Said",
    "UnknownCallbackError",
    "Urgency",
    "answer",
]
