"""The two walks of the architecture page, from the socket to the SQL, are the frames that a running service passes."""

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, event
from tests.docs.pages import ROOT
from tests.fakes.service import running

import assistance
from assistance.store.engine.writer import Writer

PACKAGE = Path(assistance.__file__).parent
WALK = re.compile(r"^\d+\. `([\w/]+\.py)` `([\w.]+)`", re.MULTILINE)
MOST = 10
"""Frames of ours on one stack."""

Frames = list[tuple[str, str]]


def documented(title: str) -> Frames:
    """The frames under this heading of the page, each a file and a function."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"### {title}\n")[2].partition("\n##")[0]
    return [(file, function) for file, function in WALK.findall(section)]


def ours(frame: FrameType | None) -> Frames:
    """Our frames of this stack, outermost first; what a function wraps around itself is part of it."""
    found: Frames = []
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE):
            found.append((str(file.relative_to(PACKAGE)), frame.f_code.co_qualname.replace(".<locals>", "")))
        frame = frame.f_back
    return found[::-1]


@contextmanager
def recorded(operation: str) -> Iterator[Callable[[], Frames]]:
    """Call it for the frames that led to the first statement of this operation, loop and writer one after the other."""
    loop: list[Frames] = []
    writer: list[Frames] = []

    def on_call(frame: FrameType, kind: str, _value: Any) -> None:
        if kind == "call" and frame.f_code is Writer.write.__code__ and _named(frame) == operation:
            loop.append(ours(frame))

    def on_statement(*_: Any) -> None:
        frames = ours(sys._getframe())
        if threading.current_thread().name.startswith("store-writer") and any(f == operation for _, f in frames):
            writer.append(frames)

    event.listen(Engine, "before_cursor_execute", on_statement)
    sys.setprofile(on_call)
    try:
        yield lambda: loop[0] + writer[0][: 1 + [function for _, function in writer[0]].index(operation)]
    finally:
        sys.setprofile(None)
        event.remove(Engine, "before_cursor_execute", on_statement)
    assert len(loop[0]) <= MOST, loop[0]
    assert max(map(len, writer)) <= MOST, writer


def _named(frame: FrameType) -> str:
    return str(getattr(frame.f_locals["operation"], "__name__", ""))


@pytest.mark.parametrize(("title", "operation"), [("An ask", "accept"), ("A claim", "move")])
async def test_the_page_names_each_frame(tmp_path: Path, title: str, operation: str) -> None:
    """File by file as the page has it, and never more than ten frames of ours on one stack."""
    async with running(tmp_path) as service:
        request = await service.ask()
        await service.when(request["id"], "notified")
        with recorded(operation) as frames:
            if title == "A claim":
                await service.call("POST", f"/assistance/{request['id']}/claim")
            else:
                await service.ask()
        assert frames() == documented(title)
