"""Everything that this process has to say goes through one pipe: one line each, on standard output."""

import asyncio
import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, Literal

import structlog
from opentelemetry import trace

from assistance.model import Clock, SystemClock, rfc3339
from assistance.telemetry.failures import describe, name_of
from assistance.telemetry.lines import json_line, text_line
from assistance.telemetry.writer import LineWriter

_Event = MutableMapping[str, Any]
_FLUSH_SECONDS = 2.0
_STARTED = ("timestamp", "level", "logger", "event")
# At finer levels libraries log what passes through them: statements, headers, mails.
_OUTSPOKEN = ("assistance", "uvicorn")


class Logs:
    """The pipe, once it is set up.

    Args:
        fd: the file descriptor that lines go to.
        render: an event as a line.
        clock: for the time stamps.
        export: takes each event too, for example to a collector; must not wait.
    """

    def __init__(
        self, fd: int, render: Callable[[_Event], bytes], clock: Clock, export: Callable[[_Event], None] | None
    ) -> None:
        """See the class."""
        self._render = render
        self._clock = clock
        self._export = export
        self._writer = LineWriter(fd, on_loss=self._loss)
        self._restore: list[Callable[[], object]] = []

    @property
    def dropped(self) -> int:
        """How many lines were dropped because nobody read them."""
        return self._writer.dropped

    def tell(self, name: str, level: str, event: _Event) -> None:
        """Send one event on its way, with time, level, logger, request and span added.

        Args:
            name: of the logger.
            level: `debug` to `critical`.
            event: what happened, under `event`, and its fields; `exc_info` becomes `exception`.
        """
        error = _exception(event.pop("exc_info", None))
        told: _Event = {
            "timestamp": rfc3339(self._clock.now()),
            "level": level,
            "logger": name,
            "event": event.pop("event", None),
            **structlog.contextvars.get_contextvars(),
            **event,
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            told["trace_id"] = f"{span.trace_id:032x}"
            told["span_id"] = f"{span.span_id:016x}"
        if error is not None:
            told["exception"] = describe(error)
        if self._export is not None:
            self._export(told)
        self._writer.write(self._render(told))

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell failures that nobody awaited in `loop`, by type and place, never by their `repr`."""
        loop.set_exception_handler(self._loop_failed)

    def flush(self, timeout: float = _FLUSH_SECONDS) -> bool:
        """Wait up to `timeout` seconds until every line is out; whether that was reached."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = _FLUSH_SECONDS) -> None:
        """Write what is left and give the hooks back to whoever had them before."""
        while self._restore:
            self._restore.pop()()
        self._writer.close(timeout)

    def install(self, level: str) -> None:
        """Take over structlog, logging, warnings and the hooks for uncaught exceptions."""
        before = structlog.get_config() if structlog.is_configured() else None
        self._restore.append(structlog.reset_defaults if before is None else partial(structlog.configure, **before))
        structlog.configure(
            processors=[_hand_over],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=partial(_Named, self),
            cache_logger_on_first_use=False,
        )
        self._take_logging(level.upper())
        self._hook(sys, "excepthook", lambda _kind, error, _traceback: self._crashed("uncaught exception", error))
        self._hook(threading, "excepthook", self._thread_crashed)
        self._hook(sys, "unraisablehook", lambda args: self._failed("exception ignored", args.exc_value))
        # At the very end only what is held is written: the hooks stay, so that nothing goes out in another form.
        last = partial(self._writer.close, _FLUSH_SECONDS)
        atexit.register(last)
        self._restore.append(partial(atexit.unregister, last))

    def _take_logging(self, level: str) -> None:
        root = logging.getLogger()
        self._restore.append(partial(setattr, root, "handlers", root.handlers[:]))
        self._restore.append(partial(root.setLevel, root.level))
        root.handlers = [_FromLogging(self)]
        root.setLevel(logging.WARNING)
        for name in _OUTSPOKEN:
            logger = logging.getLogger(name)
            self._restore.append(partial(logger.setLevel, logger.level))
            logger.setLevel(level)
        logging.captureWarnings(capture=True)
        self._restore.append(partial(logging.captureWarnings, capture=False))

    def _hook(self, where: Any, name: str, ours: Callable[..., None]) -> None:
        self._restore.append(partial(setattr, where, name, getattr(where, name)))
        setattr(where, name, ours)

    def _failed(self, event: str, error: BaseException | None) -> None:
        self.tell("assistance", "error", {"event": event, "exc_info": error})

    def _crashed(self, event: str, error: BaseException | None) -> None:
        self.tell("assistance", "critical", {"event": event, "exc_info": error})
        self.flush()

    def _thread_crashed(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            self._crashed("uncaught exception in a thread", args.exc_value)

    def _loop_failed(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self._failed(str(context.get("message") or "failure in the event loop"), context.get("exception"))

    def _loss(self, count: int) -> bytes:
        now = rfc3339(self._clock.now())
        values = (now, "warning", "assistance", "log lines dropped, nobody read them")
        return self._render({**dict(zip(_STARTED, values, strict=True)), "dropped": count})


def set_up_logging(
    *,
    form: Literal["json", "console"] | None,
    level: str,
    fd: int = 1,
    clock: Clock | None = None,
    export: Callable[[_Event], None] | None = None,
) -> Logs:
    """Send all that this process logs to `fd`, a line each; done once, first of all.

    Args:
        form: None stands for `console` on a terminal, else `json`.
        level: `debug` to `critical`, for this service and its server; libraries speak from `warning` up.
        fd: standard output unless said otherwise.
        clock: for the time stamps.
        export: takes each event as well; must not wait.
    """
    terminal = os.isatty(fd)
    readable = terminal if form is None else form == "console"
    render = partial(text_line, color=terminal) if readable else json_line
    logs = Logs(fd, render, clock or SystemClock(), export)
    logs.install(level)
    return logs


class _Named:
    """What structlog calls at the end of its chain: one method for each level, and the logger's name."""

    __slots__ = ("_logs", "_name")

    def __init__(self, logs: Logs, name: str = "assistance") -> None:
        self._logs = logs
        self._name = name

    def debug(self, event: _Event) -> None:
        self._logs.tell(self._name, "debug", event)

    def info(self, event: _Event) -> None:
        self._logs.tell(self._name, "info", event)

    def warning(self, event: _Event) -> None:
        self._logs.tell(self._name, "warning", event)

    def error(self, event: _Event) -> None:
        self._logs.tell(self._name, "error", event)

    def critical(self, event: _Event) -> None:
        self._logs.tell(self._name, "critical", event)

    exception = error


def _hand_over(_logger: object, _method: str, event: _Event) -> tuple[tuple[_Event], dict[str, Any]]:
    return (event,), {}


class _FromLogging(logging.Handler):
    """Records of the standard library's logging, as events."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        self._logs.tell(
            record.name, record.levelname.lower(), {"event": _message(record).strip(), "exc_info": record.exc_info}
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """A record that cannot be told is left out: a log never harms the work."""


def _message(record: logging.LogRecord) -> str:
    """The text with its values in it, except that an exception among them is named by its type only."""
    args = record.args
    if isinstance(args, tuple):
        args = tuple(name_of(arg) if isinstance(arg, BaseException) else arg for arg in args)
    if isinstance(record.msg, BaseException):
        return name_of(record.msg)
    try:
        return str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _exception(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    if isinstance(exc_info, BaseException):
        return exc_info
    return sys.exc_info()[1] if exc_info else None
