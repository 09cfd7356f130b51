"""Exceptions as log fields: what broke and where, without what was said.

The rule: the type and the stack frames of an exception are always told; its text only when it cannot hold customer
text or a secret. That is so for exceptions defined in this package, whose texts are ours and never carry either, and
for what the operating system reports by number (its own word for the number, without file or host names). The text of
every other exception is left out: drivers, parsers and validators quote their input.
"""

import errno
import os
from collections.abc import Iterator
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
    """The exception's text if the rule of this module lets it be told, else None."""
    if type(error).__module__.partition(".")[0] == _OURS:
        return str(error) or None
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return None


def _type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _one(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"type": _type(error)}
    if (text := safe_text(error)) is not None:
        told["text"] = text
    if isinstance(error, BaseExceptionGroup):
        told["members"] = [name_of(member) for member in error.exceptions[:_CHAIN]]
    told["frames"] = _frames(error.__traceback__)
    return told


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _CHAIN:
        yield link
        seen.add(id(link))
        explicit = link.__cause__ is not None or link.__suppress_context__
        link = link.__cause__ if explicit else link.__context__


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    # Where it broke is at the end: a recursion without end keeps both ends, not its middle.
    return frames if len(frames) <= _FRAMES else [*frames[: _FRAMES // 2], "…", *frames[-_FRAMES // 2 :]]
