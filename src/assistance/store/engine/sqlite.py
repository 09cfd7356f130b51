"""Opening SQLite: what is unsafe is refused, with a sentence that says what to do."""

import fcntl
import os
from pathlib import Path
from typing import IO, Any

import pysqlite3.dbapi2
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from assistance.store.engine.database import Database
from assistance.store.engine.migrations import upgrade
from assistance.store.errors import StoreRefusedError

_FIXED = (3, 51, 3)
"""Before this (backports aside) two connections to one WAL file can corrupt it: https://sqlite.org/wal.html#walresetbug."""
_READERS = 4
_BROKEN = ("disk i/o error", "malformed", "not a database")


# Cost: for what is neither text nor number the driver looks for an adapter. To find none takes ten times as long as to
# call one, and most values of a row are NULL.
pysqlite3.dbapi2.register_adapter(type(None), lambda none: none)
pysqlite3.dbapi2.register_adapter(bool, int)


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative/path` or `sqlite:////absolute/path`.

    Raises:
        StoreRefusedError: it names none, or says more than a file's name.
    """
    path = Path(url.removeprefix("sqlite:///"))
    # SQLite would open the part before a question mark: the lock would be on another file.
    if "?" in url or not path.name:
        raise StoreRefusedError("the database's URL must be sqlite:/// and the path of a file, without a question mark")
    return path


def open_sqlite(path: Path) -> Database:
    """The file, locked for this process and brought to the current schema.

    Raises:
        StoreRefusedError: another process has it, the library has the WAL bug, or WAL and FULL cannot be had.
    """
    file_lock = lock(path)
    try:
        writing, reading = sqlite_engines(path)
        upgrade(writing)
    except BaseException:
        file_lock.close()
        raise
    return Database(writing, reading, file_lock=file_lock, broken=_broken)


def check_library() -> None:
    """Raise StoreRefusedError when the SQLite library has the WAL bug."""
    if pysqlite3.dbapi2.sqlite_version_info < _FIXED:
        raise StoreRefusedError(
            f"SQLite {pysqlite3.dbapi2.sqlite_version} can corrupt a WAL file; install pysqlite3 0.6.1 or newer"
        )


def sqlite_engines(path: Path) -> tuple[Engine, Engine]:
    """One connection that writes and a few that read.

    Raises:
        StoreRefusedError: the SQLite library has the WAL bug, or does not keep WAL and FULL.
    """
    check_library()
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = _engine(path, size=1)
    event.listen(writer, "connect", _prepare_writer)
    event.listen(writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    reader = _engine(path, size=_READERS)
    event.listen(reader, "connect", _prepare_reader)
    event.listen(reader, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return writer, reader


def _engine(path: Path, size: int) -> Engine:
    return create_engine(
        f"sqlite:///{path}",
        module=pysqlite3.dbapi2,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,
        # None leaves BEGIN to us: the driver's own is deferred and can find the file busy in mid-transaction.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 5},
    )


def _prepare_writer(connection: Any, _record: object) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != 2:  # noqa: PLR2004 - 2 is FULL
        raise StoreRefusedError(f"SQLite must run with WAL and synchronous=FULL, not {mode} and {level}")
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA cache_size = -16000")


def _prepare_reader(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def damaged(error: DBAPIError) -> StoreRefusedError:
    """What to say when the file cannot be opened."""
    return StoreRefusedError(f"the SQLite file cannot be used: {error.orig}")


def _broken(error: DBAPIError) -> str | None:
    """Why only a new process may use the file again: after a failed fsync nobody knows what is on the disk."""
    reason = str(error.orig)
    return reason if any(word in reason.lower() for word in _BROKEN) else None


def lock(path: Path) -> IO[str]:
    """Lock the file for this process alone, until what is returned is closed or the process ends.

    Raises:
        StoreRefusedError: another process has it.
    """
    # Two processes: a file that has two names must not get two locks.
    real = path.resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    file_lock = real.with_name(real.name + ".lock").open("a+")
    try:
        fcntl.flock(file_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file_lock.seek(0)
        owner = file_lock.read().strip() or "unknown"
        file_lock.close()
        raise StoreRefusedError(
            f"{path} is in use by process {owner}: one process at a time writes a SQLite file; use PostgreSQL for more"
        ) from None
    file_lock.truncate(0)
    file_lock.write(str(os.getpid()))
    file_lock.flush()
    return file_lock
