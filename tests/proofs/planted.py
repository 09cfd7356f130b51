"""Runs the service with planted bugs, or with a crash at a chosen point: `planted.py BUGS serve …`.

BUGS are names separated by commas; `crash:POINT:N` kills the process when it reaches that point for the Nth time.
A proof that does not find its planted bug proves nothing. Bugs are planted by module and name, private names too: only
this file of the tests may name what is private to the store. `put` fails when a name is gone.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Engine, event
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from assistance.api import ask
from assistance.channels import slack
from assistance.cli import main
from assistance.dispatch import dispatcher, housekeeping
from assistance.store import Acceptance, Accepted, store
from assistance.store.engine import database, postgresql, sqlite, writer
from assistance.store.queue import outcomes


def put(owner: Any, name: str, value: Any) -> Any:
    """Replace an attribute that exists; return its old value."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before


def normal_sync() -> None:
    """SQLite confirms a commit before the disk has it."""

    def prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Even so a checkpoint flushes to the disk: after one right before the cut, nothing could be lost.
        connection.execute("PRAGMA wal_autocheckpoint = 0")

    put(sqlite, "_prepare_writer", prepare)


def answer_before_commit() -> None:
    """The caller gets 201 before the commit, which takes as long as on a slow disk."""
    running: set[asyncio.Task[Any]] = set()

    async def accept(self: Any, new: Any) -> Accepted:
        running.add(asyncio.create_task(stored(self, new)))
        return Accepted(Acceptance.CREATED, new.request, new.deliveries)

    stored = put(store.Store, "accept", accept)
    event.listen(Engine, "commit", lambda _connection: Event().wait(0.02))


def no_fence() -> None:
    """An outcome is recorded although its lease has ended."""
    put(outcomes, "still_leased", lambda _connection, items, _gone_out: [True] * len(items))


def no_escaping() -> None:
    """The customer's text reaches Slack as markup."""
    put(slack, "_escape", lambda text: text)


def body_not_compared() -> None:
    """A used idempotency key is answered for any body."""
    put(ask, "fingerprint", lambda _value: b"")


def short_leases() -> None:
    """No bug: leases short enough for a test to wait for their end."""
    put(dispatcher, "LEASE", 2.0)
    put(housekeeping, "EVERY", 0.3)


def calm_leases() -> None:
    """No bug: short leases that do not end by themselves on a busy machine."""
    put(dispatcher, "LEASE", 8.0)
    put(housekeeping, "EVERY", 2.0)


def short_patience() -> None:
    """No bug: calls of the store fail after one second without an answer instead of ten."""
    put(writer, "PATIENCE", 1.0)
    put(database, "PATIENCE", 1.0)


def unsafe_server() -> None:
    """The service starts on a PostgreSQL that may lose what it confirmed."""
    put(postgresql, "_check", lambda _connection: None)


def shared_file() -> None:
    """No bug: two processes on one SQLite file, as they would share a PostgreSQL."""
    put(sqlite, "lock", lambda _path: None)


def shifted_clock() -> None:
    """No bug: the time of day differs from the true one by the seconds in the file `SHIFT`."""
    file, true = Path(os.environ["SHIFT"]), time.time
    put(time, "time", lambda: true() + float(file.read_text(encoding="ascii")))


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        *(normal_sync, answer_before_commit, no_fence, no_escaping, body_not_compared),
        *(unsafe_server, short_leases, calm_leases, short_patience, shared_file, shifted_clock),
    )
}


def crash_at(point: str, number: int) -> None:
    """Kill this process when it passes `point` for the `number`th time."""
    left = iter(range(number - 1))

    def pass_() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    POINTS[point](pass_)


def before_begin(pass_: Callable[[], None]) -> None:
    def commit(self: Any, group: Any, *races: int) -> None:
        if _accepting(group):
            pass_()
        before(self, group, *races)

    before = put(writer.Writer, "_commit", commit)


def after_insert(table: str) -> Callable[[Callable[[], None]], None]:
    def install(pass_: Callable[[], None]) -> None:
        @event.listens_for(Engine, "after_cursor_execute")
        def executed(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            if _inserts(statement, table):
                pass_()

    return install


def before_commit(pass_: Callable[[], None]) -> None:
    @event.listens_for(Engine, "after_cursor_execute")
    def executed(connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        connection.info["accepting"] = connection.info.get("accepting") or _inserts(statement, "requests")

    @event.listens_for(Engine, "commit")
    def committing(connection: Any) -> None:
        if connection.info.pop("accepting", False):
            pass_()


def after_commit(pass_: Callable[[], None]) -> None:
    def answer(group: Any) -> None:
        if _accepting(group):
            pass_()
        before(group)

    before = put(writer, "_answer", answer)


def amid_answer(pass_: Callable[[], None]) -> None:
    async def say(self: Any, message: Any) -> None:
        await before(self, message)
        if message.get("status") == 201:
            pass_()

    before = put(RequestResponseCycle, "send", say)


def after_claim(pass_: Callable[[], None]) -> None:
    async def take(self: Any, wanted: Any) -> Any:
        taken = await before(self, wanted)
        if taken.jobs:
            pass_()
        return taken

    before = put(store.Store, "dequeue", take)


def before_connect(pass_: Callable[[], None]) -> None:
    async def send(*arguments: Any, **more: Any) -> Any:
        pass_()
        return await before(*arguments, **more)

    before = put(dispatcher, "send", send)


def before_record(pass_: Callable[[], None]) -> None:
    async def send(*arguments: Any, **more: Any) -> Any:
        made = await before(*arguments, **more)
        if made.verdict is None:
            pass_()
        return made

    before = put(dispatcher, "send", send)


def after_record(pass_: Callable[[], None]) -> None:
    async def settle(self: Any, settlement: Any) -> Any:
        settled = await before(self, settlement)
        pass_()
        return settled

    before = put(store.Store, "record_outcome", settle)


POINTS: dict[str, Callable[[Callable[[], None]], None]] = {
    "before-begin": before_begin,
    **{f"after-insert-{table}": after_insert(table) for table in ("requests", "deliveries", "events", "idempotency")},
    "before-commit": before_commit,
    "after-commit": after_commit,
    "amid-answer": amid_answer,
    "after-claim": after_claim,
    "before-connect": before_connect,
    "before-record": before_record,
    "after-record": after_record,
}


def _inserts(statement: str, table: str) -> bool:
    return statement.startswith((f"INSERT INTO {table} ", f"INSERT INTO {table}("))


def _accepting(group: Any) -> bool:
    return any(job.operation.__name__ == "accept" for job in group)


if __name__ == "__main__":
    for name in sys.argv.pop(1).split(","):
        word, _, rest = name.partition(":")
        if word == "crash":
            place, _, nth = rest.partition(":")
            crash_at(place, int(nth))
        else:
            BUGS[word]()
    main()
