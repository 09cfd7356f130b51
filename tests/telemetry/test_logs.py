"""All that a process logs goes one way, one line each, and no secret goes with it."""

import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from assistance.model import SystemClock
from assistance.settings import SettingsError
from assistance.telemetry import Logs, set_up_logging

log = structlog.get_logger("assistance.test")


class Clock(SystemClock):
    def now(self) -> float:
        return 1_700_000_000.5


class Pipe:
    def __init__(self, form: Literal["json", "console"] = "json") -> None:
        self.receiver, self.sender = os.pipe()
        self.logs: Logs = set_up_logging(form=form, level="info", fd=self.sender, clock=Clock())

    def read(self) -> bytes:
        assert self.logs.flush()
        return os.read(self.receiver, 1 << 20)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read().splitlines()]

    def close(self) -> None:
        os.close(self.receiver)
        self.logs.close(0.2)
        os.close(self.sender)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    structlog.contextvars.clear_contextvars()
    yield pipe
    pipe.close()


def test_a_line_has_time_level_logger_event_request_and_span(pipe: Pipe):
    """Every line can be put beside the request and the trace that it belongs to."""
    span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False))
    with structlog.contextvars.bound_contextvars(request_id="r-1"), trace.use_span(span):
        log.info("accepted", topic="sales")
    assert pipe.lines() == [
        {
            "timestamp": "2023-11-14T22:13:20.500Z",
            "level": "info",
            "logger": "assistance.test",
            "event": "accepted",
            "request_id": "r-1",
            "topic": "sales",
            "trace_id": f"{0xA:032x}",
            "span_id": f"{0xB:016x}",
        }
    ]


def test_the_level_holds_for_us_and_libraries_log_from_warning_up(pipe: Pipe):
    """Below the level nothing is logged; a library's own debug lines, which may quote what passes through, never."""
    log.debug("no")
    logging.getLogger("sqlalchemy.engine").info("INSERT … %s", "canary")
    logging.getLogger("assistance.old").info("yes")
    logging.getLogger("uvicorn.error").info("yes")
    logging.getLogger("aiohttp").warning("yes %d", 3)
    assert [(line["logger"], line["event"]) for line in pipe.lines()] == [
        ("assistance.old", "yes"),
        ("uvicorn.error", "yes"),
        ("aiohttp", "yes 3"),
    ]


def failing() -> None:
    try:
        int("canary")
    except ValueError as error:
        raise KeyError("canary") from error


def test_an_exception_shows_where_it_broke_and_not_what_it_quotes(pipe: Pipe):
    """Types and frames of the whole chain are on the same line; texts that may quote the input are not."""
    try:
        failing()
    except KeyError:
        log.exception("broken")
        logging.getLogger("aiohttp").exception("broken")
    for line in pipe.lines():
        assert "canary" not in json.dumps(line)
        assert [failure["type"] for failure in line["exception"]] == ["KeyError", "ValueError"]
        assert line["exception"][0]["frames"][-1].endswith("in failing")


def test_texts_that_are_ours_or_the_systems_are_logged(pipe: Pipe):
    """An exception of this package says its text; an operating system error says its number's meaning, no names."""
    for error in (SettingsError("X is not set"), FileNotFoundError(2, "canary", "canary")):
        log.error("broken", exc_info=error)
    ours, systems = (line["exception"][0] for line in pipe.lines())
    assert (ours["type"], ours["text"]) == ("assistance.settings.environment.SettingsError", "X is not set")
    assert (systems["type"], systems["text"]) == ("FileNotFoundError", "No such file or directory")


def test_an_exception_among_the_values_of_a_message_is_named_by_type():
    """`logger.error("failed: %s", error)` in a library does not carry the error's text out."""
    pipe = Pipe()
    logging.getLogger("aiohttp").error("failed: %s", ValueError("canary"))
    logging.getLogger("aiohttp").error(ValueError("canary"))
    logging.getLogger("aiohttp").error("wrong %d", "number")
    assert [line["event"] for line in pipe.lines()] == ["failed: ValueError", "ValueError", "wrong %d"]
    pipe.close()


def test_a_line_for_people_obeys_no_control_characters():
    """Console form: escape sequences and line feeds in a field are shown, not obeyed; frames follow below, no texts."""

    class Customer:
        def __repr__(self) -> str:
            return "canary"

    pipe = Pipe("console")
    try:
        failing()
    except KeyError:
        log.exception("it\x1b[31m broke", field="a\nb", who=Customer(), inner=["\x1b", Customer()])
    text = pipe.read().decode()
    pipe.close()
    first, *below = text.splitlines()
    assert first.startswith("2023-11-14T22:13:20.500Z [error")
    assert "[assistance.test] field=a\\nb" in first
    assert "\x1b" not in text
    assert "canary" not in text
    assert below[0] == "KeyError: "
    assert below[1].startswith("  ")
    assert below[1].endswith("in test_a_line_for_people_obeys_no_control_characters")
    assert "ValueError: " in below


@pytest.mark.filterwarnings("default")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_warnings_and_failures_that_nobody_caught_are_lines_too(pipe: Pipe):
    """Warnings, threads, finalizers and the event loop all log through the pipe, without texts or `repr`s."""
    pipe.logs.handle_errors_of(asyncio.get_running_loop())
    warnings.warn("old", stacklevel=1)
    thread = threading.Thread(target=failing)
    thread.start()
    thread.join()

    class Bad:
        def __del__(self) -> None:
            failing()

    del Bad
    asyncio.get_running_loop().call_soon(failing)
    await asyncio.sleep(0)
    lines = pipe.lines()
    assert [line["level"] for line in lines] == ["warning", "critical", "error"]
    assert "old" in lines[0]["event"]
    assert "canary" not in json.dumps(lines)
    gc.collect()


def test_a_full_pipe_drops_and_counts_and_blocks_nobody(pipe: Pipe):
    """While nobody reads, lines are dropped; once there is room again, a line says how many."""
    for _ in range(1_200):
        log.info("x" * 10_000)
    assert pipe.logs.dropped > 100
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(pipe.receiver, 1 << 20), b"")))
    reader.start()
    assert pipe.logs.flush(10)
    log.info("last")
    assert pipe.logs.flush(10)
    pipe.logs.close()
    os.close(pipe.sender)
    reader.join()
    pipe.sender = os.open(os.devnull, os.O_WRONLY)
    lines = [json.loads(line) for line in b"".join(read).splitlines()]
    assert lines[-1]["event"] == "last"
    assert [line["dropped"] for line in lines if "dropped" in line] == [pipe.logs.dropped]


def test_a_pipe_without_a_reader_stops_nothing(pipe: Pipe):
    """When standard output is gone the service goes on."""
    os.close(pipe.receiver)
    log.info("lost")
    assert pipe.logs.flush()
    pipe.receiver = os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize(
    ("ending", "code", "last"),
    [
        ("raise ValueError('canary')", 1, ("uncaught exception", "critical")),
        ("sys.exit(3)", 3, ("working", "info")),
        ("logs.flush(); os.kill(os.getpid(), 9)", -9, ("working", "info")),
    ],
)
def test_the_last_lines_of_a_process_come_out(ending: str, code: int, last: tuple[str, str]):
    """A crash and an exit flush the pipe; what was flushed survives a kill. Nothing goes to standard error."""
    program = (
        "import os, sys, structlog\n"
        "from assistance.telemetry import set_up_logging\n"
        "logs = set_up_logging(form=None, level='info')\n"
        "for n in range(1000): structlog.get_logger().info('working', n=n)\n"
        f"{ending}\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, "")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len([line for line in lines if line["event"] == "working"]) == 1000
    assert (lines[-1]["event"], lines[-1]["level"]) == last
    assert "canary" not in ended.stdout


def test_closing_restores_the_hooks():
    """Hooks, handlers and configuration are afterwards as they were before, so that logging can be set up again."""

    def held() -> tuple[Any, ...]:
        handlers = logging.getLogger().handlers[:]
        return sys.excepthook, threading.excepthook, sys.unraisablehook, handlers, structlog.get_config()

    before = held()
    Pipe().close()
    assert held() == before
