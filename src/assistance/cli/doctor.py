"""`assistance doctor`: tries what the service depends on, leg by leg; no person is notified."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pysqlite3.dbapi2
import typer

from assistance.channels import CanProbe, Channel
from assistance.cli.failure import FailedError, one_line
from assistance.cli.variables import database_url, read_variables, routing_file
from assistance.model import Verdict
from assistance.outgoing import Http
from assistance.routing import Routing, RoutingError, load
from assistance.security import KeySource
from assistance.security.tokens.jwks import MAX_BYTES, PATIENCE
from assistance.security.tokens.keys import KeySet, UnreadableKeysError
from assistance.settings import Settings, SettingsError, load_settings
from assistance.store import StoreRefusedError, open_store
from assistance.store.engine.migrations import current, newest
from assistance.store.engine.sqlite import check_library, lock, sqlite_engines, sqlite_path
from assistance.telemetry.otlp import exporters

_SECONDS = 20.0
_CONNECT_SECONDS = 5.0
_OTLP_PORTS = {"http": 80, "https": 443}

OK, FAILS, NOT_TRIED = "ok", "FAIL", "--"


@dataclass(frozen=True, slots=True)
class Leg:
    """What was tried, how it ended (`ok`, `FAIL`, or `--` for nothing to try) and what there is to say."""

    name: str
    ended: str
    text: str


async def examine() -> None:
    """Print a line for each leg.

    Raises:
        FailedError: naming the legs that fail.
    """
    failed = []
    async with Http() as http:
        async for leg in _legs(http):
            typer.echo(f"{leg.ended:4}  {leg.name}: {one_line(leg.text)}")
            failed += [leg.name] if leg.ended == FAILS else []
    if failed:
        raise FailedError(f"{len(failed)} failed: {', '.join(failed)}")


async def _legs(http: Http) -> AsyncIterator[Leg]:
    variables = read_variables()
    leg, settings = _settings(os.environ)
    yield leg
    leg, routing = _routing(variables)
    yield leg
    if routing is not None:
        yield _secrets(routing)
    yield _library()
    yield await asyncio.to_thread(_database, variables)
    yield await _issuer(settings, http)
    if routing is not None:
        for leg in await asyncio.gather(*(_channel(name, each, http) for name, each in routing.channels.items())):
            yield leg
    for leg in await _collector(variables):
        yield leg


def _settings(environ: Mapping[str, str]) -> tuple[Leg, Settings | None]:
    """Whether `serve` would find all its settings."""
    try:
        return Leg("settings", OK, "complete"), load_settings(environ, Path(".env"), dev=False)
    except SettingsError as error:
        return Leg("settings", FAILS, str(error)), None


def _routing(variables: Mapping[str, str]) -> tuple[Leg, Routing | None]:
    """Whether the routing file can be used."""
    try:
        routing = load(routing_file(variables), variables)
    except RoutingError as error:
        return Leg("routing", FAILS, str(error)), None
    text = f"{routing.file}, {len(routing.topics)} topics, {len(routing.channels)} channels"
    return Leg("routing", OK, text), routing


def _secrets(routing: Routing) -> Leg:
    """Whether every secret of the routing file is set."""
    if routing.missing_secrets:
        return Leg("secrets", FAILS, ", ".join(f"{source} is not set" for source in routing.missing_secrets))
    return Leg("secrets", OK, f"{len({secret.source for secret in routing.secrets})} found")


def _library() -> Leg:
    """Whether SQLite is free of the bug that corrupts WAL files."""
    try:
        check_library()
    except StoreRefusedError as error:
        return Leg("sqlite", FAILS, str(error))
    return Leg("sqlite", OK, f"SQLite {pysqlite3.dbapi2.sqlite_version}")


def _database(variables: Mapping[str, str]) -> Leg:
    """Whether the store can be opened; nothing is written."""
    try:
        url = database_url(variables)
        if not url.startswith("sqlite:"):
            open_store(url).close()
            return Leg("store", OK, "PostgreSQL answers, its schema and settings will do")
        path = sqlite_path(url)
        return Leg("store", OK, _inspected(path) if path.exists() else _to_be_made(path))
    except (FailedError, StoreRefusedError) as error:
        return Leg("store", FAILS, str(error))
    except Exception as error:  # noqa: BLE001 - a corrupt file surfaces as one of several libraries' errors
        return Leg("store", FAILS, f"cannot be read: {type(error).__name__}")


def _to_be_made(path: Path) -> str:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreRefusedError(f"{path} is not there and cannot be made: {folder} cannot be written to")
    return f"{path} is not there yet; `assistance serve` makes it"


def _inspected(path: Path) -> str:
    try:
        lock(path).close()
    except StoreRefusedError as error:
        return f"not inspected, a service is running: {error}"
    if not os.access(path, os.W_OK):
        raise StoreRefusedError(f"{path} cannot be written to")
    writing, reading = sqlite_engines(path)
    try:
        found = current(reading)
    finally:
        writing.dispose()
        reading.dispose()
    return f"{path}, schema {found}" + ("" if found == newest() else "; `assistance serve` brings it up to date")


async def _issuer(settings: Settings | None, http: Http) -> Leg:
    """Whether the issuer's keys can be fetched."""
    if settings is None:
        return Leg("jwks", NOT_TRIED, "not tried: the settings are not complete")

    async def get(url: str) -> bytes:
        return (await http.get(url, timeout=PATIENCE, cap=MAX_BYTES)).body

    try:
        async with asyncio.timeout(_SECONDS):
            keys = KeySet.parse(await KeySource(get, settings.oidc_issuer, settings.oidc_jwks_url).read())
    except (Verdict, UnreadableKeysError, ValueError) as error:
        return Leg("jwks", FAILS, f"{settings.oidc_issuer}: {error}")
    except OSError as error:
        return Leg("jwks", FAILS, f"{settings.oidc_issuer}: {type(error).__name__}")
    return Leg("jwks", OK, f"{len(keys.keys)} keys of {settings.oidc_issuer}")


async def _channel(name: str, channel: Channel, http: Http) -> Leg:
    """Whether its credentials work, where the channel can find out without sending."""
    title = f"channel {name}"
    if not isinstance(channel, CanProbe):
        return Leg(title, NOT_TRIED, "cannot be tried without sending; `assistance channels test` does")
    try:
        async with asyncio.timeout(_SECONDS):
            await channel.probe(http)
    except Verdict as verdict:
        return Leg(title, FAILS, f"{verdict}{f': {verdict.answer}' if verdict.answer else ''}")
    except Exception as error:  # noqa: BLE001 - another package's channel may raise anything; its text may be secret
        return Leg(title, FAILS, type(error).__name__)
    return Leg(title, OK, "its credentials work")


async def _collector(variables: Mapping[str, str]) -> list[Leg]:
    """Whether something listens where telemetry is exported to."""
    try:
        endpoints = sorted(set(_endpoints(variables)))
    except SettingsError as error:
        return [Leg("otlp", FAILS, str(error))]
    return [await _listening(host, port) for host, port in endpoints] or [Leg("otlp", NOT_TRIED, "nothing is exported")]


def _endpoints(variables: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for signal in ("TRACES", "METRICS", "LOGS"):
        if "otlp" not in exporters(variables, signal):
            continue
        named = variables.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        parts = urlsplit(named or "http://localhost:4318")
        yield parts.hostname or "localhost", parts.port or _OTLP_PORTS.get(parts.scheme, 4318)


async def _listening(host: str, port: int) -> Leg:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except OSError as error:
        return Leg("otlp", FAILS, f"{host}:{port} does not answer: {type(error).__name__}")
    return Leg("otlp", OK, f"{host}:{port} answers")
