"""`assistance demo`: the main job once, by the real service over real HTTP."""

import asyncio
import json
import os
import signal
import sys
import textwrap
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import typer

from assistance.cli.failure import FailedError, plain
from assistance.cli.service import Service
from assistance.model import SystemClock, uuid7
from assistance.outgoing import Http
from assistance.security import DevelopmentIssuer
from assistance.settings import Secret, SettingsError, check_installed
from assistance.settings.development import AUDIENCE, ISSUER, VAR

Json = Mapping[str, Any]

_SCOPE = "request-assistance manage-assistance"
_ARRIVE_SECONDS = 15.0
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOG_LINES = 10
_LONGEST_LINE = 1024 * 1024
_NOT_PASSED_ON = ("ASSISTANCE_", "AUTH0_", "SLACK_TOKEN", "SMTP_URL")
"""The demo is the same in every environment, and reaches none of its servers."""
_HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted")
_REQUESTS: tuple[Json, ...] = (
    {
        "topic": "sales",
        "description": "We are 20 people and would like a quote, please.",
        "customer": {"name": "Grace Hopper", "email": "grace@example.com"},
    },
    {
        "topic": "pricing",
        "description": "What do 300 seats cost by the year? ¿Hay descuento? 😀",
        "customer": {"name": "Ada Lovelace", "email": "ada@example.com"},
    },
)


def show_demo(folder: Path | None) -> None:
    """Play the main job and print what arrived. The demo's files stay in `folder`, if one is named.

    Raises:
        FailedError: it went wrong; if the service had begun, the last lines of its log have been printed.
    """
    try:
        check_installed()
    except SettingsError as error:
        raise FailedError(str(error)) from None
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="assistance-demo-")))
        _make(folder)
        try:
            asyncio.run(_play(folder))
        except asyncio.CancelledError:
            raise FailedError("stopped by a signal") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A folder that exists may still not be writable.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FailedError(f"the demo's files cannot be kept in {folder}: {error.strerror}") from None


async def _play(folder: Path) -> None:
    task = asyncio.current_task()
    assert task is not None
    # Left behind: killed outright, this process would leave the service that it starts running.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with _running_service(folder) as url, Http() as http:
        typer.echo(f"The service runs at {url}, with a Slack and a mail server of its own.")
        issuer = DevelopmentIssuer.load(folder / VAR, ISSUER, AUDIENCE)
        token = issuer.token(_SCOPE, "demo-bot@clients", now=SystemClock().now())
        service = Service(url, Secret("the token", token), http)
        for body in _REQUESTS:
            await _request(service, body)
    typer.echo("\nBoth arrived, and the service has ended in order.")


async def _request(service: Service, body: Json) -> None:
    """Ask for a person, wait until a channel has it, and print what arrived and what happened."""
    clock = SystemClock()
    started, key = clock.monotonic(), uuid7(clock.now())
    headers = {"Prefer": f"wait={_ARRIVE_SECONDS:g}", "Idempotency-Key": key}
    answer = await service.post("/assistance", body, headers)
    milliseconds = (clock.monotonic() - started) * 1000
    typer.echo(f"\n== The bot asks for {body['topic']}")
    typer.echo(f"POST /assistance {json.dumps(body, ensure_ascii=False)}")
    typer.echo(f"-> {answer['status']} after {milliseconds:.0f} ms, request {answer['id']}")
    messages = list(_arrived(await service.get("/sandbox/messages"), answer["id"]))
    if not messages:
        raise FailedError(f"the {body['topic']} request did not arrive in the sandbox within {_ARRIVE_SECONDS:g} s")
    path = f"/assistance/{answer['id']}"
    events, deliveries = await service.get(f"{path}/events"), await service.get(f"{path}/deliveries")
    for line in (*messages, *_history(events["data"], deliveries["data"])):
        typer.echo(line)


def _arrived(sandbox: Json, request_id: str) -> Iterator[str]:
    """The Slack messages and mails of that request, as they arrived."""
    for message in sandbox["slack"]:
        if request_id in json.dumps(message):
            yield f"\n-- arrived in Slack, channel {message['channel']}"
            yield from _indented(message["text"])
            yield from _indented(
                "\n".join(part["text"] for block in message["blocks"] for part in block.get("fields", ()))
            )
    for mail in sandbox["mail"]:
        if request_id in mail["text"]:
            yield "\n-- arrived by mail"
            headers = mail["headers"]
            yield from _indented("\n".join(f"{name}: {headers[name]}" for name in _HEADERS if name in headers))
            yield ""
            yield from _indented(mail["text"])


def _indented(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        yield textwrap.indent(plain(line), "   ")


def _history(events: Sequence[Json], deliveries: Sequence[Json]) -> Iterator[str]:
    """What happened to the request, and every try of each delivery."""
    yield "\n-- the time line"
    for event in events:
        data = " ".join(f"{name}={value}" for name, value in event["data"].items())
        yield plain(f"   {event['timestamp']}  {event['sequence']} {event['type']} {data}".rstrip())
    yield "-- the deliveries"
    for each in deliveries:
        due = f", due {each['next_attempt_at']}" if each["next_attempt_at"] else ""
        yield plain(f"   {each['n']} {each['kind']} by {each['channel']}: {each['state']}{due}")
        for made in each["tries"]:
            why = f" ({made['reason']})" if made["reason"] else ""
            yield f"     {made['at']}  {made['outcome']} in {made['seconds']:.3f} s{why}"


@asynccontextmanager
async def _running_service(folder: Path) -> AsyncIterator[str]:
    """Run the service in development mode, as a process with its files in `folder`; gives its URL, stops it at the end.

    Raises:
        FailedError: it does not start or stop as it should; the last lines of its log have been printed. The same for
            a FailedError of the block.
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
    log: deque[str] = deque(maxlen=_LOG_LINES)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reader = asyncio.create_task(_read(process, log, url))
    try:
        try:
            yield await _started(url)
            await _stop(process)
        finally:
            await _kill(process)
            await reader
    except FailedError:
        typer.echo("\n".join(map(plain, log)), err=True)
        raise


async def _read(process: Process, log: deque[str], url: asyncio.Future[str]) -> None:
    """Keep the last lines of the log; the URL is in one of them."""
    assert process.stdout is not None
    async for raw in process.stdout:
        line = raw.decode(errors="replace").strip()
        log.append(line)
        if not url.done() and line.startswith("{") and (entry := json.loads(line))["event"] == "serving":
            url.set_result(entry["url"])
    if not url.done():
        url.set_exception(FailedError("the service did not start"))


async def _started(url: asyncio.Future[str]) -> str:
    try:
        async with asyncio.timeout(_START_SECONDS):
            return await url
    except TimeoutError:
        raise FailedError(f"the service did not start within {_START_SECONDS:g} s") from None


async def _stop(process: Process) -> None:
    """Stop it as an orchestrator would, by SIGTERM."""
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
