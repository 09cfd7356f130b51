"""What is wrong with a routing file: file, line, plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` counts from 1; `text` is one line of plain words. Secrets: it never shows a value."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class RoutingError(Exception):
    """The routing file is refused; `problems` are all of its problems, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.line, problem.text)))
        super().__init__("\n".join(map(str, self.problems)))


def shown(name: object) -> str:
    """A name as written, made printable and short: a problem is one line."""
    text = str(name)
    text = text if len(text) <= 80 else f"{text[:80]}…"  # noqa: PLR2004 - a name, not a text
    return text if text.isprintable() and text else ascii(text)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """The text for an unknown name, with what was probably meant."""
    return f"unknown {what} {shown(name)}; {meant(name, known)}"


def meant(name: object, known: Iterable[str]) -> str:
    """What was probably meant by `name`."""
    names = sorted(known)
    near = get_close_matches(str(name)[:80], names, n=1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(map(shown, names)) or 'none'}"
