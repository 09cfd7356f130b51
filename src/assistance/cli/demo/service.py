"""The service as a process of its own, for the demo."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from assistance.cli.failure import FailedError, plain

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LINES = 10
_LONGEST_LINE = 1024 * 1024
_NOT_PASSED_ON = ("ASSISTANCE_", "AUTH0_", "SLACK_TOKEN", "SMTP_URL")
"""The demo is the same whatever its surroundings are set up for, and reaches none of their servers."""


@asynccontextmanager
async def running_service(folder: Path) -> AsyncIterator[str]:
    """Run the service in development mode with its files in `folder`; gives its URL, and ends it in order.

    What fails inside is raised once the last lines of the service's log have been printed on standard error.

    Raises:
        FailedError: it does not start, or does not end as it should.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    # `-P`: what lies in the folder is no part of the program.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "assistance", "serve", "--dev", "--port", "0"),
        cwd=folder,
        env={**environ, "ASSISTANCE_LOG_FORMAT": "json"},
        stdout=PIPE,
        stderr=STDOUT,
        limit=_LONGEST_LINE,
    )
    log: deque[str] = deque(maxlen=_LINES)
    url = asyncio.get_running_loop().create_future()
    reader = asyncio.create_task(_read(process, log, url))
    try:
        yield await _first(url)
        await _end(process)
    except FailedError:
        await _kill(process)
        await reader
        for line in log:
            typer.echo(plain(line), err=True)
        raise
    finally:
        await _kill(process)
        await reader


async def _read(process: Process, log: deque[str], url: "asyncio.Future[str]") -> None:
    """Keep the last lines, and tell the address when the service tells it."""
    assert process.stdout is not None
    async for raw in process.stdout:
        line = raw.decode(errors="replace").strip()
        log.append(line)
        if not url.done() and (found := _serving(line)):
            url.set_result(found)
    if not url.done():
        url.set_exception(FailedError("the service did not start"))


def _serving(line: str) -> str | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return str(told["url"]) if isinstance(told, dict) and told.get("event") == "serving" else None


async def _first(url: "asyncio.Future[str]") -> str:
    try:
        async with asyncio.timeout(_START_SECONDS):
            return await url
    except TimeoutError:
        raise FailedError(f"the service did not start within {_START_SECONDS:g} s") from None


async def _end(process: Process) -> None:
    """End it as an orchestrator would."""
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            code = await process.wait()
    except TimeoutError:
        raise FailedError(f"the service did not end within {_STOP_SECONDS:g} s") from None
    if code:
        raise FailedError(f"the service ended with {code}")


async def _kill(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
