"""How to reach SQLite: durable accepts (two rows, WAL, synchronous=FULL) from 32 waiting callers (about 16 s).

`grouped`: one thread commits together whatever waits. `one by one`: a commit for each accept.
The folder to write in may be given: it should be on the disk that matters, not in memory.
"""

import asyncio
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pysqlite3
from rounds import compare
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert

# aiosqlite knows the standard library's name only; all candidates are to run on the same SQLite.
sys.modules["sqlite3"] = pysqlite3
import aiosqlite  # noqa: E402

CALLERS = 32
SECONDS = 1.0
PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
SCHEMA = (
    "CREATE TABLE request (id TEXT PRIMARY KEY, topic TEXT, description TEXT)",
    "CREATE TABLE delivery (request_id TEXT PRIMARY KEY, channel TEXT, state TEXT)",
)
REQUEST = "INSERT INTO request VALUES (:id, :topic, :description)"
DELIVERY = "INSERT INTO delivery VALUES (:request_id, :channel, :state)"

metadata = MetaData()
request = Table("request", metadata, *(Column(name, String) for name in ("id", "topic", "description")))
delivery = Table("delivery", metadata, *(Column(name, String) for name in ("request_id", "channel", "state")))

Row = dict[str, str]
Batch = list[tuple[Row, Row]]
Accept = Callable[[tuple[Row, Row]], Awaitable[None]]


def one() -> tuple[Row, Row]:
    """A request of a customer's usual length, and its delivery."""
    key = str(uuid.uuid4())
    return (
        {"id": key, "topic": "sales", "description": "I would like to talk to a person. " * 10},
        {"request_id": key, "channel": "sales-slack", "state": "pending"},
    )


def fresh(folder: Path) -> tuple[Path, Any]:
    """A new database file and an autocommitting connection to it."""
    path = folder / f"{uuid.uuid4()}.db"
    connection = pysqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
    for statement in (*PRAGMAS, *SCHEMA):
        connection.execute(statement)
    return path, connection


async def accepted_per_second(accept: Accept) -> float:
    """32 callers, each asks again as soon as its last accept is durable."""
    end = time.perf_counter() + SECONDS

    async def caller() -> int:
        count = 0
        while time.perf_counter() < end:
            await accept(one())
            count += 1
        return count

    return sum(await asyncio.gather(*(caller() for _ in range(CALLERS)))) / SECONDS


async def grouped(write: Callable[[Batch], None], limit: int) -> float:
    """Accepts that wait are written together, at most `limit` in one transaction, in a thread of their own."""
    waiting: asyncio.Queue[tuple[tuple[Row, Row], asyncio.Future[None]]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def writer(thread: ThreadPoolExecutor) -> None:
        while True:
            batch = [await waiting.get()]
            while not waiting.empty() and len(batch) < limit:
                batch.append(waiting.get_nowait())
            await loop.run_in_executor(thread, write, [rows for rows, _ in batch])
            for _, done in batch:
                done.set_result(None)

    async def accept(rows: tuple[Row, Row]) -> None:
        done = loop.create_future()
        waiting.put_nowait((rows, done))
        await done

    with ThreadPoolExecutor(1) as thread:
        task = asyncio.create_task(writer(thread))
        figure = await accepted_per_second(accept)
        task.cancel()
    return figure


def bare(folder: Path, limit: int) -> float:
    """The DB-API alone."""
    _, connection = fresh(folder)

    def write(batch: Batch) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(REQUEST, [rows[0] for rows in batch])
        connection.executemany(DELIVERY, [rows[1] for rows in batch])
        connection.execute("COMMIT")

    return asyncio.run(grouped(write, limit))


def core(folder: Path, limit: int) -> float:
    """SQLAlchemy Core over the same connection."""
    _, raw = fresh(folder)
    engine = create_engine("sqlite://", module=pysqlite3, creator=lambda: raw, isolation_level="AUTOCOMMIT")
    connection = engine.connect()

    def write(batch: Batch) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.execute(insert(request), [rows[0] for rows in batch])
        connection.execute(insert(delivery), [rows[1] for rows in batch])
        connection.exec_driver_sql("COMMIT")

    return asyncio.run(grouped(write, limit))


def asynchronous(folder: Path) -> float:
    """Use aiosqlite as it is meant: each accept awaits its own statements and its own commit."""

    async def measure() -> float:
        path, _ = fresh(folder)
        turn = asyncio.Lock()
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            await connection.execute(PRAGMAS[1])

            async def accept(rows: tuple[Row, Row]) -> None:
                async with turn:
                    await connection.execute("BEGIN IMMEDIATE")
                    await connection.execute(REQUEST, rows[0])
                    await connection.execute(DELIVERY, rows[1])
                    await connection.execute("COMMIT")

            return await accepted_per_second(accept)

    return asyncio.run(measure())


def main() -> None:
    """Let them take turns in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as name:
        folder = Path(name)
        candidates = {
            "SQLAlchemy Core, grouped": partial(core, folder, CALLERS),
            "bare DB-API, grouped": partial(bare, folder, CALLERS),
            "SQLAlchemy Core, one by one": partial(core, folder, 1),
            "aiosqlite, one by one": partial(asynchronous, folder),
        }
        compare(candidates, rounds=4, unit="accepts/s")


if __name__ == "__main__":
    main()
