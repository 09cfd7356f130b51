"""Exceptions as log fields: what broke and where, without what the exception quotes.

Secrets: drivers, parsers and validators quote their input. So the type and the stack frames of an exception are always
logged, its text only if it is an exception of this package, whose texts hold no customer text and no secret, or an
`OSError` with a number (the system's text for the number, without file or host names).
"""

import errno
import os
from collections.abc import Iterator
from traceback import walk_tb
from types import TracebackType
from typing import Any

_OURS = __name__.partition(".")[0]
_FRAMES = 40
_CHAIN = 8


def describe(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what led to it, outermost first: `[{type, text?, frames: ["file:line in function"]}]`."""
    return [_one(link) for link in _chain(error)]


def name_of(error: BaseException) -> str:
    """The type of the exception, with its text where that is safe: `TimeoutError`, `OSError: No route to host`."""
    text = safe_text(error)
    return _type(error) if text is None else f"{_type(error)}: {text}"


def safe_text(error: BaseException) -> str | None:
    """The exception's text if the rule of this module allows it, else None."""
    if type(error).__module__.partition(".")[0] == _OURS:
        return str(error) or None
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return None


def _type(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _one(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _type(error)}
    if (text := safe_text(error)) is not None:
        described["text"] = text
    if isinstance(error, BaseExceptionGroup):
        described["members"] = [name_of(member) for member in error.exceptions[:_CHAIN]]
    described["frames"] = _frames(error.__traceback__)
    return described


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_CHAIN):  # endless loop: a chain may lead back to itself
        if link is None:
            return
        yield link
        explicit = link.__cause__ is not None or link.__suppress_context__
        link = link.__cause__ if explicit else link.__context__


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = [f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}" for frame, line in walk_tb(traceback)]
    # Recursion without end: both ends are kept; where it broke is the last frame.
    return frames if len(frames) <= _FRAMES else [*frames[: _FRAMES // 2], "…", *frames[-_FRAMES // 2 :]]
