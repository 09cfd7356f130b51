"""The service as a separate process, as an operator runs it, with everything that it talks to."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp
from tests.fakes.jwks import JwksServer
from tests.fakes.tokens import Forger

from assistance.sandbox.slack import FakeSlack
from assistance.sandbox.smtp import FakeSmtp

AUDIENCE = "https://assistance.example"
ALL = "request-assistance ping read-assistance work-assistance manage-assistance"
SLACK_TOKEN = "xoxb-proof-4f1c9a7e"
SECRET_KEY = "a-secret-key-that-is-long-enough"
SERVICE = ("-m", "assistance")
"""Python's arguments for the service without changes."""

ROUTING = """
channels:
  sales-slack: {{type: slack, token: env:SLACK_TOKEN, channel: C0SALES, api_url: {slack}, pace: 1000/s}}
  pricing-mail:
    {{type: email, smtp: env:SMTP_URL, from: Assistance <a@example.com>, to: [pricing@example.com], pace: 1000/s}}
topics:
  sales:
    steps: [{{notify: [sales-slack]}}]
  pricing:
    steps: [{{notify: [pricing-mail]}}]
"""


class EndedError(AssertionError):
    """The process ended although it should run."""


@dataclass
class Surroundings:
    """What a service talks to: on loopback and in this process, so that it outlives the service."""

    folder: Path
    slack: FakeSlack
    smtp: FakeSmtp
    jwks: JwksServer
    forger: Forger
    session: aiohttp.ClientSession

    @property
    def routing_file(self) -> Path:
        return self.folder / "assistance.yaml"

    def route(self, routing: str) -> None:
        """Replace the routing file atomically, as editors do."""
        fresh = self.routing_file.with_suffix(".new")
        fresh.write_text(routing.format(slack=self.slack.api_url), encoding="utf-8")
        fresh.replace(self.routing_file)

    @cached_property
    def bearer(self) -> dict[str, str]:
        """The header of a bot with all scopes."""
        return {"Authorization": f"Bearer {self.token()}"}

    def token(self, scope: str = ALL, sub: str = "bot-1", **claims: Any) -> str:
        return self.forger.token(scope=scope, sub=sub, **claims)

    def environ(self, database_url: str) -> dict[str, str]:
        """The settings of a service that is not in development mode."""
        return {
            "ASSISTANCE_CONFIG": str(self.routing_file),
            "ASSISTANCE_DATABASE_URL": database_url,
            "ASSISTANCE_OIDC_ISSUER": self.jwks.issuer,
            "ASSISTANCE_OIDC_AUDIENCE": AUDIENCE,
            "ASSISTANCE_SECRET_KEY": SECRET_KEY,
            "SLACK_TOKEN": SLACK_TOKEN,
            "SMTP_URL": self.smtp.url,
        }


@asynccontextmanager
async def surroundings(folder: Path, routing: str = ROUTING, keep: int = 10_000) -> AsyncIterator[Surroundings]:
    """Issuer, Slack, mail server and a client; the fakes remember the last `keep` messages."""
    async with (
        JwksServer() as jwks,
        FakeSlack(tokens={SLACK_TOKEN}, channels={"C0SALES"}, keep=keep) as slack,
        FakeSmtp(keep=keep) as smtp,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        forger = Forger(issuer=jwks.issuer, audience=AUDIENCE, now=time.time())
        jwks.keys = forger.jwks()
        around = Surroundings(folder, slack, smtp, jwks, forger, session)
        around.route(routing)
        yield around


class ServiceProcess:
    """`python -m assistance serve` on a port that stays the same over restarts; `up` is set while it is ready.

    `program` are Python's arguments instead of `-m assistance`; `wrap` goes before Python; `environ` changes the
    settings.
    """

    def __init__(
        self,
        around: Surroundings,
        database_url: str,
        *,
        name: str = "service",
        program: Sequence[str] = SERVICE,
        wrap: Sequence[str] = (),
        role: str = "all",
        **environ: str,
    ) -> None:
        self.around = around
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = tuple(program)
        self.wrap = tuple(wrap)
        self.role = role
        self.up = asyncio.Event()
        self.said = around.folder / f"{name}.log"
        self.complained = around.folder / f"{name}.err"
        self.environ = {**inherited(), **around.environ(database_url), **environ}
        self._process: asyncio.subprocess.Process | None = None
        self._end: asyncio.Task[int] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._end is not None and not self._end.done()

    async def launch(self) -> None:
        """Start it and return at once."""
        command = [*self.wrap, sys.executable, *self.program, "serve", "--port", str(self.port), "--role", self.role]
        with self.said.open("ab") as out, self.complained.open("ab") as err:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.around.folder,
                env=self.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._end = asyncio.create_task(self._process.wait())

    async def start(self, within: float = 60) -> float:
        """Start it and wait until it is ready; the seconds that took. On a busy machine the imports alone take many."""
        began = time.monotonic()
        await self.launch()
        await self.when(self.ready, within)
        self.up.set()
        return time.monotonic() - began

    async def ready(self) -> bool:
        return await self.status("/readyz") == 200

    async def status(self, path: str) -> int | None:
        """The status of a GET; None without an answer."""
        try:
            async with self.around.session.get(self.url + path, timeout=aiohttp.ClientTimeout(5)) as answer:
                return answer.status
        except (aiohttp.ClientConnectionError, TimeoutError):
            return None

    async def when(self, condition: Callable[[], Any], within: float = 10) -> None:
        """Return once `condition`, a coroutine function, returns true; EndedError when the process ends before."""
        deadline = time.monotonic() + within
        while not await condition():
            if not self.running:
                raise EndedError(self.complaint() or self.log()[-3:])
            assert time.monotonic() < deadline, f"not within {within} s: {self.log()[-3:]}"
            assert self._end is not None
            await asyncio.wait({self._end}, timeout=0.01)

    async def logged(self, event: str, within: float = 10, **fields: Any) -> dict[str, Any]:
        """The first log line of `event` with these fields, once it is written."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            found.extend(line for line in self.log(event) if fields.items() <= line.items())
            return bool(found)

        await self.when(there, within)
        return found[0]

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """All complete log lines, or those of one event."""
        whole = self.said.read_bytes().rpartition(b"\n")[0] if self.said.exists() else b""
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if event in {None, line["event"]}]

    def complaint(self) -> str:
        return self.complained.read_text(errors="replace").strip()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def ended(self, within: float = 30) -> int:
        """The exit code, negative for the signal that ended it."""
        assert self._end is not None
        code = await asyncio.wait_for(asyncio.shield(self._end), within)
        self.up.clear()
        return code

    async def kill(self) -> None:
        """End it by SIGKILL, if it runs."""
        self.up.clear()
        if self.running:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            await self.ended()

    def memory(self) -> float:
        """Megabytes of its resident memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def work(self) -> float:
        """Seconds of processor time that it has used: independent of what else the machine does."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


def inherited() -> dict[str, str]:
    """The environment without the service's settings and without those of a `make` that runs the tests.

    Nor PYTHONDONTWRITEBYTECODE: compiled modules are kept, as in an installation.
    """
    others = ("ASSISTANCE_", "AUTH0_", "OTEL_", "EDGE_", "TEST_CLIENT_", "PYTHONDONTWRITEBYTECODE", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
