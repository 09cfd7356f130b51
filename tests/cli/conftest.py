"""Commands as people run them, and a service in development mode to run them against."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from assistance.app import House, live, open_house
from assistance.app.development import ensure_routing_file
from assistance.cli import run
from assistance.server.server import HttpServer, listen
from assistance.settings import load_settings

_OURS = ("ASSISTANCE_", "AUTH0_", "OTEL_", "TEST_CLIENT_", "SLACK_TOKEN", "SMTP_URL")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def failure(self) -> str:
        """The one line on standard error that explains exit code 1."""
        assert self.code == 1, self
        return self.line

    @property
    def line(self) -> str:
        """The one line on standard error."""
        assert self.err.count("\n") == 1, self
        return self.err.strip()


Cli = Callable[..., Awaitable[Ran]]


@dataclass(frozen=True)
class Development:
    """A service in development mode, in the folder where the commands run."""

    url: str
    house: House


@contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The program as a process of its own, which does not outlive the test."""
    command = [sys.executable, "-m", "assistance", *arguments]
    # A shell lets what it runs in the background ignore Ctrl-C, and our children would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, and an environment without settings of ours."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """What a service in this process logs is none of the command's output."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line in a thread of its own, with an event loop of its own."""

    async def ran(*arguments: str) -> Ran:
        capfd.readouterr()
        code = await asyncio.to_thread(run, arguments)
        return Ran(code, *capfd.readouterr())

    return ran


@pytest.fixture
async def development(place: Path) -> AsyncIterator[Development]:
    """The service of `serve --dev`, in this process."""
    settings = load_settings({}, None, dev=True)
    ensure_routing_file(settings.config)
    async with open_house(settings, dev=True) as house:
        server, stop = HttpServer(house.api, listen("127.0.0.1", 0), clock=house.clock), asyncio.Event()
        life = asyncio.create_task(live(house, server, stop, linger=0))
        try:
            yield Development(server.url, house)
        finally:
            stop.set()
            await life
