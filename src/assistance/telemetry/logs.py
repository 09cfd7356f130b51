"""Everything that this process logs: one chain of structlog's processors, one bounded writer, one line an event.

The standard library's logging, warnings and uncaught exceptions go through the same chain.
"""

import asyncio
import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from contextvars import Context
from functools import partial
from typing import Any, Literal

import structlog
from opentelemetry import trace
from structlog.dev import ConsoleRenderer
from structlog.processors import ExceptionRenderer, JSONRenderer
from structlog.typing import EventDict, Processor

from assistance.model import Clock, SystemClock, rfc3339
from assistance.telemetry.failures import describe, name_of
from assistance.telemetry.lines import json_line, printable
from assistance.telemetry.writer import LineWriter

_FLUSH_SECONDS = 2.0
# Secrets: at finer levels libraries log what passes through them: statements, headers, mails.
_AT_OUR_LEVEL = ("assistance", "uvicorn")
_log = structlog.get_logger("assistance")


class Logs:
    """The logging that `set_up_logging` has installed.

    Args:
        fd: the file descriptor that lines go to.
        processors: make an event a line; the last one returns bytes.
        level: of this service and its server.
    """

    def __init__(self, fd: int, processors: Sequence[Processor], level: str) -> None:
        self._processors = processors
        self._writer = LineWriter(fd, on_loss=self._loss)
        self._restore = ExitStack()
        self._configure_structlog(level)
        self._configure_logging(level.upper())
        self._hook(sys, "excepthook", lambda _type, error, _traceback: self._crashed("uncaught exception", error))
        self._hook(threading, "excepthook", self._thread_crashed)
        self._hook(sys, "unraisablehook", lambda args: _log.error("exception ignored", exc_info=args.exc_value))
        # At exit only the writer is closed: with the hooks in place nothing that comes late goes out in another form.
        last = partial(self._writer.close, _FLUSH_SECONDS)
        atexit.register(last)
        self._restore.callback(atexit.unregister, last)

    @property
    def dropped(self) -> int:
        """How many lines were dropped because nobody read them."""
        return self._writer.dropped

    def handle_errors_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Log the exceptions that nobody awaited in `loop`, without the `repr` of what failed."""
        loop.set_exception_handler(_loop_failed)

    def flush(self, timeout: float = _FLUSH_SECONDS) -> bool:
        """Wait up to `timeout` seconds until every line is written; whether that was reached."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = _FLUSH_SECONDS) -> None:
        """Restore what was configured before, and write what is left, for `timeout` seconds at most."""
        self._restore.close()
        self._writer.close(timeout)

    def _configure_structlog(self, level: str) -> None:
        before = structlog.get_config() if structlog.is_configured() else None
        self._restore.callback(structlog.reset_defaults if before is None else partial(structlog.configure, **before))
        structlog.configure(
            processors=self._processors,
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=partial(_Output, self._writer.write),
            cache_logger_on_first_use=False,
        )

    def _configure_logging(self, level: str) -> None:
        root = logging.getLogger()
        self._restore.callback(setattr, root, "handlers", root.handlers[:])
        root.handlers = [_FromLogging(self._record)]
        for name, lowest in (("root", "WARNING"), *((name, level) for name in _AT_OUR_LEVEL)):
            logger = logging.getLogger(name)
            self._restore.callback(logger.setLevel, logger.level)
            logger.setLevel(lowest)
        logging.captureWarnings(capture=True)
        self._restore.callback(logging.captureWarnings, capture=False)

    def _hook(self, where: Any, name: str, ours: Callable[..., None]) -> None:
        self._restore.callback(setattr, where, name, getattr(where, name))
        setattr(where, name, ours)

    def _crashed(self, event: str, error: BaseException | None) -> None:
        _log.critical(event, exc_info=error)
        self.flush()

    def _thread_crashed(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            self._crashed("uncaught exception in a thread", args.exc_value)

    def _record(self, record: logging.LogRecord) -> None:
        event = {"event": _message(record).strip(), "exc_info": record.exc_info}
        self._writer.write(self._line(record.name, record.levelname.lower(), event))

    def _loss(self, count: int) -> bytes:
        # An empty context: the request whose line finds room again has nothing to do with it.
        event = {"event": "log lines dropped, nobody read them", "dropped": count}
        return Context().run(self._line, "assistance", "warning", event)

    def _line(self, name: str, level: str, event: Any) -> bytes:
        output = _Output(self._writer.write, name)
        for process in self._processors:
            event = process(output, level, event)
        line: bytes = event
        return line


def set_up_logging(
    *,
    form: Literal["json", "console"] | None,
    level: str,
    fd: int = 1,
    clock: Clock | None = None,
    export: Processor | None = None,
) -> Logs:
    """Write all that this process logs to `fd`, a line each; done once, first of all.

    Args:
        form: None stands for `console` on a terminal, else `json`.
        level: `debug` to `critical`, for this service and its server; of libraries `warning` and above is logged.
        fd: standard output unless another is given.
        clock: for the time stamps.
        export: gets each event as well; must not block.
    """
    terminal = os.isatty(fd)
    readable = terminal if form is None else form == "console"
    render: list[Processor] = [JSONRenderer(json_line)]
    if readable:
        render = [printable, ConsoleRenderer(colors=terminal, sort_keys=False), _encoded]
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        partial(_begin, clock or SystemClock()),
        _add_span,
        ExceptionRenderer(lambda exc_info: describe(exc_info[1])),
        *([] if export is None else [export]),
        *render,
    ]
    return Logs(fd, processors, level)


class _Output:
    """What structlog calls with the finished line; the chain reads the logger's name from it."""

    __slots__ = ("_write", "name")

    def __init__(self, write: Callable[[bytes], None], name: str = "assistance") -> None:
        self._write = write
        self.name = name

    def info(self, line: bytes) -> None:
        self._write(line)

    debug = warning = error = critical = exception = info


class _FromLogging(logging.Handler):
    """Hands on the records of the standard library's logging."""

    def __init__(self, log: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        # A record that cannot be formatted is left out: a log line never harms its caller.
        with suppress(Exception):
            self._log(record)


def _message(record: logging.LogRecord) -> str:
    """The text with its values in it. Secrets: an exception among them is named by its type only."""
    if isinstance(record.msg, BaseException):
        return name_of(record.msg)
    args = record.args
    if isinstance(args, tuple):
        args = tuple(name_of(arg) if isinstance(arg, BaseException) else arg for arg in args)
    try:
        return str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _begin(clock: Clock, logger: _Output, level: str, event: EventDict) -> EventDict:
    """A processor: time, level, logger and event come first, for people who read the raw lines."""
    what = event.pop("event", None)
    return {"timestamp": rfc3339(clock.now()), "level": level, "logger": logger.name, "event": what, **event}


def _add_span(_logger: _Output, _level: str, event: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
        event["span_id"] = f"{span.span_id:016x}"
    return event


def _encoded(_logger: _Output, _level: str, text: Any) -> bytes:
    return f"{text}\n".encode()


def _loop_failed(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    _log.error(str(context.get("message") or "failure in the event loop"), exc_info=context.get("exception"))
