"""Those who are measured. Each module tells how one of them is started on loopback and what a bot sends it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from load import Call


@dataclass(frozen=True, slots=True)
class Running:
    """One that answers: what to send it, and its processes, those that a crash would take first."""

    call: Call
    pids: Sequence[int]


Start = Callable[[str, Path], AbstractContextManager[Running]]
"""Starts in a folder, which may hold what an earlier start left; messages go to the receiver's URL."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One that is measured.

    `missing` says what must be installed first (None: nothing), and may install what needs no rights. One that
    `delivers` not is a ceiling for accepting only.
    """

    name: str
    title: str
    start: Start
    missing: Callable[[], str | None] = field(default=lambda: None)
    delivers: bool = True


DESCRIPTION = "I would like to talk to a person about a larger contract, number {serial}."
"""What every customer says."""
ASK = f'{{"topic": "sales", "description": "{DESCRIPTION}"}}'
JSON = {"Content-Type": "application/json"}
