"""`assistance demo`: the main job once, by the real service over real HTTP."""

import asyncio
import signal
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import typer

from assistance.cli.demo import story
from assistance.cli.demo.service import running_service
from assistance.cli.failure import FailedError
from assistance.cli.service import Service
from assistance.model import SystemClock, uuid7
from assistance.outgoing import Http
from assistance.security import DevelopmentIssuer
from assistance.settings import Secret, SettingsError
from assistance.settings.development import AUDIENCE, ISSUER, VAR, check_installed

_SCOPE = "request-assistance manage-assistance"
_WAIT = 15.0
_ASKS: tuple[dict[str, Any], ...] = (
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
        # One that is there may take no files all the same.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FailedError(f"the demo's files cannot be kept in {folder}: {error.strerror}") from None


async def _play(folder: Path) -> None:
    task = asyncio.current_task()
    if task is not None:
        # Unwound, not killed: the service that is started here must not be left behind.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with running_service(folder) as url, Http() as http:
        _tell([f"The service runs at {url}, with a Slack and a mail server of its own."])
        issuer = DevelopmentIssuer.load(folder / VAR, ISSUER, AUDIENCE)
        token = issuer.token(_SCOPE, "demo-bot@clients", now=SystemClock().now())
        service = Service(url, Secret("the token", token), http)
        for asked in _ASKS:
            await _one(service, asked)
    _tell(["", "Both arrived, and the service has ended in order."])


async def _one(service: Service, asked: dict[str, Any]) -> None:
    """Ask, wait until a channel has it, and show what arrived and what became of it."""
    clock = SystemClock()
    started, key = clock.monotonic(), uuid7(clock.now())
    answer = await service.post("/assistance", asked, {"Prefer": f"wait={_WAIT:g}", "Idempotency-Key": key})
    _tell(story.ask(asked, answer, clock.monotonic() - started))
    messages = list(story.arrived(await service.get("/sandbox/messages"), answer["id"]))
    if not messages:
        raise FailedError(f"the {asked['topic']} request did not arrive in the sandbox within {_WAIT:g} s")
    _tell(messages)
    path = f"/assistance/{answer['id']}"
    events, deliveries = await service.get(f"{path}/events"), await service.get(f"{path}/deliveries")
    _tell(story.time_line(events["data"], deliveries["data"]))


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
