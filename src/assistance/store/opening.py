"""From a database's URL to an open store."""

from collections.abc import Callable

from opentelemetry.trace import NoOpTracer, Tracer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from assistance.store.engine.migrations import upgrade
from assistance.store.engine.sqlite import damaged, lock, open_sqlite, sqlite_engines, sqlite_path
from assistance.store.errors import StoreRefusedError
from assistance.store.store import Store

Revisions = tuple[str | None, str | None]
"""Before and after; None is an empty database."""


def open_store(url: str, on_commit: Callable[[int], None] = lambda _size: None, tracer: Tracer | None = None) -> Store:
    """Open the database at `url`; a SQLite file is brought to the current schema.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path`, or any libpq URI.
        on_commit: called with the size of every group of writes that was committed, in a thread of the store.
        tracer: where the spans of transactions go, None for nowhere.

    Raises:
        StoreRefusedError: it cannot be used as it is; the text says what to do.
    """
    if _is_sqlite(url):
        try:
            database = open_sqlite(sqlite_path(url))
        except DBAPIError as error:
            raise damaged(error) from None
        return Store(database, on_commit, tracer or NoOpTracer())
    # Memory and start time: SQLite's users do without the other driver.
    from assistance.store.engine.postgresql import open_postgresql  # noqa: PLC0415

    return Store(open_postgresql(url), on_commit, tracer or NoOpTracer())


def migrate(url: str) -> Revisions:
    """Bring the database at `url` to the current schema; says from which revision to which.

    On PostgreSQL the service may go on meanwhile, and of several migrations one works and the others wait.

    Raises:
        StoreRefusedError: it cannot be used as it is; the text says what to do.
    """
    if not _is_sqlite(url):
        from assistance.store.engine.postgresql import migrating_engine, unusable  # noqa: PLC0415

        return _upgrade(migrating_engine(url), unusable)
    path = sqlite_path(url)
    with lock(path):
        writing, reading = sqlite_engines(path)
        reading.dispose()
        return _upgrade(writing, damaged)


def _upgrade(engine: Engine, refusal: Callable[[DBAPIError], StoreRefusedError]) -> Revisions:
    try:
        return upgrade(engine)
    except DBAPIError as error:
        raise refusal(error) from None
    finally:
        engine.dispose()


def _is_sqlite(url: str) -> bool:
    if url.startswith("sqlite:///"):
        return True
    if url.startswith(("postgresql://", "postgres://")):
        return False
    raise StoreRefusedError("the database's URL must begin with sqlite:/// or postgresql://")
