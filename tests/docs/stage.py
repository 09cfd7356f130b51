"""Where the commands of the pages are run: a copy of the repository's files, with stand-ins for all servers."""

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.docs.pages import ROOT
from tests.fakes.process import free_port, inherited
from tests.fakes.service import AUDIENCE, Outside

HAD = ("assistance.yaml", ".env.example", "Makefile", "pyproject.toml", "requirements", "deploy", "compose.yaml")
"""What commands read of the repository; copied, since some write beside it."""
# The pages' port may be in use here, so another one is the default; an option given later wins.
PROGRAM = """#!/bin/sh
command=${1:-}
case $command in
  serve) set -- "$@" --port "$PORT" ;;
  send | channels | deliveries | replay) shift; set -- "$command" --url "http://127.0.0.1:$PORT" "$@" ;;
esac
exec %(python)s -m assistance "$@"
"""
PYTEST = """#!/bin/sh
cd %(root)s
exec %(python)s -m pytest -p no:cacheprovider -q "$@"
"""
MEANT = {
    "NAME": "pricing-mail",
    "FILE": "assistance.yaml",
    r"127\.0\.0\.1:800[01]": "127.0.0.1:{port}",
}
"""The values for the pages' placeholders."""
MARK = "\x1e"
"""Printed before each command."""
SCOPES = "request-assistance read-assistance manage-assistance"
BOT = {"TEST_CLIENT_ID": "bot-1", "TEST_CLIENT_SECRET": "of-the-bot"}


@dataclass(frozen=True)
class Ran:
    """One command, its exit code and output; for a script's last command, also its standard error."""

    command: str
    code: int
    out: str
    err: str


@dataclass
class Stage:
    """A folder to run commands in. The service that they call listens, or will listen, on `port`."""

    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        for name in HAD:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name, text in {"assistance": PROGRAM, "python": 'exec %(python)s "$@"', "pytest": PYTEST}.items():
            program = programs / name
            program.write_text(text % {"python": shlex.quote(sys.executable), "root": shlex.quote(str(ROOT))})
            program.chmod(0o755)
        for done in ("created", "installed", "developing", "locking"):
            (programs.parent / f".{done}").touch()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join(
            [str(self.folder / ".venv" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        ours = {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "PORT": str(self.port)}
        return {**inherited(), **ours, **more}

    def _here(self, command: str) -> str:
        """The command with placeholders filled in."""
        for placeholder, value in MEANT.items():
            command = re.sub(rf"\b{placeholder}\b", value.format(port=self.port), command)
        return command

    async def run(self, commands: Sequence[str], within: str = ".", **environ: str) -> list[Ran]:
        """Run them one after the other in the folder `within`, until one fails."""
        script = "\n".join(f"printf '{MARK}'\n{self._here(command)}" for command in commands)
        process = await self._launch(["sh", "-euc", script], within, environ)
        out, err = (part.decode() for part in await process.communicate())
        said = out.split(MARK)[1:]
        codes = [*[0] * (len(said) - 1), process.returncode]
        return [Ran(command, code or 0, told, err) for command, code, told in zip(commands, codes, said, strict=False)]

    async def _launch(
        self, words: Sequence[str], within: str, environ: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *words,
            cwd=self.folder / within,
            env=self._environ(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    @asynccontextmanager
    async def serving(self, command: str, ready: str, **environ: str) -> AsyncIterator["Running"]:
        """Run a command that does not end by itself; the block begins when the URL `ready` answers."""
        # bash replaces itself by a single command, so that signals reach the command.
        process = await self._launch(["bash", "-c", self._here(command)], ".", environ)
        running = Running(process, asyncio.create_task(process.communicate()))
        try:
            await running.answers(ready)
            yield running
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            await running.end


@dataclass
class Running:
    """A running command; `end` is its output and standard error, once it has ended."""

    process: asyncio.subprocess.Process
    end: asyncio.Task[tuple[bytes, bytes]]

    async def answers(self, url: str, *, well: bool = True, within: float = 60) -> None:
        """Return when the URL answers, with a status below 400 or, not `well`, above."""
        async with asyncio.timeout(within), aiohttp.ClientSession() as session:
            while True:
                assert not self.end.done(), self.end.result()
                try:
                    async with session.get(url, ssl=False) as answer:
                        if answer.ok == well:
                            return
                except aiohttp.ClientConnectionError:
                    await asyncio.wait({self.end}, timeout=0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to its children, as a terminal does."""
        os.killpg(self.process.pid, number)

    async def ended(self, by: signal.Signals) -> tuple[int | None, str]:
        """End it by a signal; its exit code and output."""
        self.send(by)
        out, _ = await asyncio.wait_for(asyncio.shield(self.end), 30)
        return self.process.returncode, out.decode()


def fill_in(stage: Stage, around: Outside) -> None:
    """Copy `.env.example` to `.env` and fill it in, as docs/install.md says: Auth0's names, and its bot's secret."""
    domain = around.jwks.issuer.rstrip("/")
    values: dict[str, Any] = {
        **{name: around.environ[name] for name in ("ASSISTANCE_SECRET_KEY", "ASSISTANCE_OIDC_ISSUER")},
        "ASSISTANCE_OIDC_AUDIENCE": AUDIENCE,
        "AUTH0_DOMAIN": domain,
        "AUTH0_API_AUDIENCE": AUDIENCE,
        **BOT,
    }
    text = (stage.folder / ".env.example").read_text(encoding="utf-8")
    for name, value in values.items():
        text, times = re.subn(rf"^(?:# )?{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert times == 1, f"{name} is not in .env.example"
    secrets = [f"{name}={around.environ[name]}" for name in ("SLACK_TOKEN", "SMTP_URL")]
    (stage.folder / ".env").write_text("\n".join([text, *secrets, ""]), encoding="utf-8")

    def grant(asked: dict[str, Any]) -> str:
        assert asked == {
            "grant_type": "client_credentials",
            "client_id": BOT["TEST_CLIENT_ID"],
            "client_secret": BOT["TEST_CLIENT_SECRET"],
            "audience": AUDIENCE,
        }
        return around.forger.token(scope=SCOPES, sub=f"{BOT['TEST_CLIENT_ID']}@clients")

    around.jwks.grant = grant
