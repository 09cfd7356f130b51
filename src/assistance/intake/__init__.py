"""Intake: validation and the one commit that makes a request ours to deliver."""

from assistance.intake.ask import Ask, Said, Urgency
from assistance.intake.intake import Caller, HandOff, Intake, UnknownCallbackError, answer

__all__ = [
    "Ask",
    "Caller",
    "HandOff",
    "Intake",
    "Said",
    "UnknownCallbackError",
    "Urgency",
    "answer",
]
