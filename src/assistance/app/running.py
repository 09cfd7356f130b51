"""The life of a process: start, signals, drain, end."""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import structlog

from assistance import __version__
from assistance.app import development
from assistance.app.house import House, Role, open_house
from assistance.app.timekeeping import TimeKeeping
from assistance.routing import Routing, RoutingError, load
from assistance.server.server import HttpServer, listen
from assistance.settings import Secret, Settings, SettingsError, known_variables, load_settings
from assistance.store import Recovery, StoreRefusedError
from assistance.telemetry import Logs, set_up_log_export, set_up_logging
from assistance.watch.health import ping_while_well
from assistance.watch.upkeep import expire, retain

log = structlog.get_logger(__name__)

LINGER = 5.0
"""Seconds for which requests are still accepted after SIGTERM, until the load balancer has noticed."""
_DRAIN_SECONDS = 15.0
_LATEST = LINGER + _DRAIN_SECONDS + 7.0
"""Seconds after SIGTERM at which the process exits even if it still waits, for a database that hangs, say."""
_LAST_LINE = 0.5
"""Seconds to write the log when the process exits at once."""
_OBSERVE_EVERY = 1.0


class RefusedError(Exception):
    """The service does not start; the text is one line that names all that is missing."""


async def serve(environ: Mapping[str, str], *, dev: bool, host: str, port: int, role: Role = Role.ALL) -> int:
    """Serve until a signal; the process's exit code.

    Raises:
        RefusedError: it cannot be started as it is.
    """
    settings = _settings(environ, dev=dev)
    export = set_up_log_export(settings.environ, __version__)
    logs = set_up_logging(form=settings.log_format, level=settings.log_level, export=export)
    logs.handle_errors_of(asyncio.get_running_loop())
    try:
        with _listener(host, port) as listener:
            async with open_house(settings, dev=dev, role=role) as house:
                _check_role(house, role)
                server, stop = HttpServer(house.api, listener, clock=house.clock), asyncio.Event()
                _handle_signals(house, stop, logs)
                _greet(house, server.url, dev=dev)
                await live(house, server, stop, linger=0.0 if dev else LINGER)
                return 1 if house.store.broken else 0
    except (RoutingError, StoreRefusedError, OSError) as error:
        raise RefusedError(_one_line(error)) from error
    finally:
        if export is not None:
            export.shutdown()
        logs.close()


def _check_role(house: House, role: Role) -> None:
    if role is not Role.ALL and house.store.exclusive:
        raise StoreRefusedError(f"--role {role} needs PostgreSQL: with a SQLite file, one process does everything")


def _listener(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise RefusedError(f"another process listens on {host}:{port}; --port chooses another one") from error
        raise RefusedError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _one_line(error: Exception) -> str:
    return "; ".join(str(error).splitlines())


def _settings(environ: Mapping[str, str], *, dev: bool) -> Settings:
    """The settings, once everything that must be there is there. Raises RefusedError naming all that is not."""
    dotenv = None if dev else Path(".env")
    missing: list[str] = []
    settings = None
    try:
        settings = load_settings(environ, dotenv, dev=dev)
    except SettingsError as error:
        missing.append(str(error))
    if not dev:
        missing += _missing_in_routing(known_variables(environ, dotenv))
    elif settings is not None:
        development.ensure_routing_file(settings.config)
    if missing or settings is None:
        raise RefusedError("; ".join(missing))
    return settings


def _missing_in_routing(variables: Mapping[str, str]) -> list[str]:
    try:
        routing = load(Path(variables.get("ASSISTANCE_CONFIG") or "assistance.yaml"), variables)
    except RoutingError as error:
        return [str(problem) for problem in error.problems]
    return [f"{source} is not set" for source in routing.missing_secrets]


async def live(house: House, server: HttpServer, stop: asyncio.Event, *, linger: float) -> None:
    """Run everything until `stop` is set, then end in order.

    Args:
        house: its rooms.
        server: serves `house.api`; started and stopped here.
        stop: set from outside, or here when the store is broken.
        linger: seconds for which requests are still accepted then.
    """
    time = TimeKeeping(house.store, house.clock)
    async with asyncio.TaskGroup() as tasks:
        await time.begin()
        await _resume(house, tasks)
        running = [tasks.create_task(each) for each in (time.run(), *_background(house, stop))]
        # Garbage collection: what is here now stays, some hundred thousand objects of libraries. Frozen, they are not
        # scanned again and again, each time with the service at rest.
        gc.collect()
        gc.freeze()
        await server.start()
        log.info("serving", url=server.url, version=__version__, development=house.sandbox is not None)
        await stop.wait()
        await _drain(house, server, linger=0.0 if house.store.broken else linger)
        for task in running:
            task.cancel()


async def _resume(house: House, tasks: asyncio.TaskGroup) -> None:
    """Follow the routing file, and take back the leases that the process before has left."""
    dispatcher, routing = house.dispatcher, house.routing

    def follow(fresh: Routing) -> None:
        # Without a dispatcher here: dispatchers read the file too, but a parked channel must be allowed another try.
        tasks.create_task(dispatcher.configure(fresh.channels) if dispatcher else house.desk.try_parked())

    routing.subscribe(follow)
    if dispatcher is None:
        return
    if house.store.exclusive:
        # Only this process has the file, so the one that leased these has ended.
        await house.store.recover(Recovery(house.clock.now(), everything=True))
    await dispatcher.configure(routing.current.channels)


def _background(house: House, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
    yield house.jwks.run()
    yield house.routing.watch()
    yield _observe(house, stop)
    yield house.backlog.run()
    yield house.auditor.run()
    if (url := house.settings.dead_man_url) is not None:
        ping = Secret("env:ASSISTANCE_DEAD_MAN_URL", url.get_secret_value())
        yield ping_while_well(ping, house.http, house.clock, lambda: _well(house))
    if house.dispatcher is not None:
        yield house.dispatcher.run()
        yield house.store.listen(house.dispatcher.wake)
        yield expire(house.store, house.clock)
        yield retain(house.store, house.clock)


async def _well(house: House) -> bool:
    return house.auditor.well and not await house.health.not_ready()


async def _observe(house: House, stop: asyncio.Event) -> None:
    while True:
        house.metrics.reloaded(successful=house.routing.last_reload_successful, at=house.routing.last_reload_at)
        if house.store.broken:
            stop.set()
        await house.clock.sleep(_OBSERVE_EVERY)


def _handle_signals(house: House, stop: asyncio.Event, logs: Logs) -> None:
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def end() -> None:
        if stop.is_set():
            _exit("stopped_at_once", logs)
        log.info("stopping")
        loop.call_later(_LATEST, _exit, "stopped_unfinished", logs)
        stop.set()

    async def reload() -> None:
        with suppress(RoutingError):
            await house.routing.reload("SIGHUP")

    def hang_up() -> None:
        task = asyncio.ensure_future(reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, hang_up)


def _exit(event: str, logs: Logs) -> NoReturn:
    """Exit now, as a crash does: unfinished deliveries are stored, and are sent when their leases have ended."""
    log.warning(event)
    # Lost lines: a thread writes the log, and it ends with the process.
    logs.flush(_LAST_LINE)
    os._exit(0)


async def _drain(house: House, server: HttpServer, *, linger: float) -> None:
    """Be not ready at once, accept for `linger` seconds more, finish what has begun, give the other leases back."""
    house.health.stopping = True
    server.retire()
    house.waiting.close()
    await asyncio.sleep(linger)
    # Both at once: one after the other may take longer than an orchestrator waits before it kills.
    await asyncio.gather(server.stop(_DRAIN_SECONDS), *([house.dispatcher.stop()] if house.dispatcher else []))
    log.info("stopped")


def _greet(house: House, url: str, *, dev: bool) -> None:
    if dev and sys.stdout.isatty():
        print(_HINTS.format(url=url, config=house.settings.config), flush=True)  # noqa: T201 - for people, not a log


_HINTS = """
  The service runs in development mode. In another terminal, be the bot:

    .venv/bin/assistance send --url {url} --topic sales --description "A quote for 20 seats, please"

  What reached Slack and the mailbox:  {url}/sandbox
  Swagger UI, to try the API:          {url}/docs (Authorize: what `.venv/bin/assistance token` prints)
  Topics and channels:                 {config} (saved changes are in force at once)
"""
