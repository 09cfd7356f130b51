"""Many rows by one statement, on the hot path: its values are passed on as they are.

Interpreter lock (GIL): one row a call (`executemany`) releases it for every row. To get it back from a busy event loop
each time makes a group of 16 accepts take 10 ms instead of 1. SQLAlchemy's own INSERT also processes every value of
every row, which costs half as much again as SQLite's work on it; no column of ours needs that.

PostgreSQL gets one array a column: its statement is the same for any number of rows and is parsed once. Its driver
would take longer to find 800 placeholders than the server to store 32 rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Double, Table
from sqlalchemy import Row as SqlRow

_VALUES = 30_000
"""In one statement; SQLite's limit is 32,766."""

Row = Mapping[str, Any]
Names = tuple[str, ...]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that have a value for every column of `table`; none at all is fine."""
    names = tuple(column.name for column in table.columns)
    for source, values in _sources(connection, table, names, rows):
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({_listed(names)}) {source}", values)


def update_rows(connection: Connection, table: Table, rows: Sequence[Row], raised: str | None = None) -> None:
    """Change rows found by their primary key; all of `rows` have it and the same other columns. None at all is fine.

    The number in the column `raised` becomes greater by one.
    """
    if not rows:
        return
    names = tuple(rows[0])
    keys = tuple(column.name for column in table.primary_key.columns)
    changed = ", ".join(f'"{name}" = new."{name}"' for name in names if name not in keys)
    if raised:
        changed += f', "{raised}" = {table.name}."{raised}" + 1'
    found = " AND ".join(f'{table.name}."{name}" = new."{name}"' for name in keys)
    for source, values in _sources(connection, table, names, rows):
        new = f"WITH new ({_listed(names)}) AS ({source})"
        connection.exec_driver_sql(f"{new} UPDATE {table.name} SET {changed} FROM new WHERE {found}", values)  # noqa: S608


def locked_rows(
    connection: Connection, table: Table, names: Names, keys: Sequence[tuple[Any, ...]]
) -> Sequence[SqlRow[Any]]:
    """The columns `names` of the rows with these primary keys, in the order of the keys, locked until the commit."""
    if not keys:
        return []
    columns = tuple(column.name for column in table.primary_key.columns)
    rows = [dict(zip(columns, key, strict=True)) for key in keys]
    found: list[SqlRow[Any]] = []
    for source, values in _sources(connection, table, columns, rows):
        statement = _locking(table.name, columns, names, source, connection.dialect.name)
        found += connection.exec_driver_sql(statement, values)
    return found


def _locking(table: str, keys: Names, names: Names, source: str, dialect: str) -> str:
    # Deadlock: lock rows in the order of their keys. SQLite has one writer, which has all locked.
    lock = " FOR UPDATE" if dialect == "postgresql" else ""
    listed = _listed(keys)
    return f"SELECT {_listed(names)} FROM {table} WHERE ({listed}) IN ({source}) ORDER BY {listed}{lock}"  # noqa: S608


def _sources(
    connection: Connection, table: Table, names: Names, rows: Sequence[Row]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """SQL that gives `rows` as a table, with its values; in several parts where they do not fit into one statement."""
    if connection.dialect.name == "postgresql":
        if rows:
            yield _arrays(table, connection.dialect, names), tuple(_array(table, name, rows) for name in names)
        return
    most = _VALUES // len(names)
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        # With one name `itemgetter` gives the value itself, not a tuple.
        of_row = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        yield _tuples(len(names), len(some)), tuple(chain.from_iterable(map(of_row, some)))


def _array(table: Table, name: str, rows: Sequence[Row]) -> list[Any]:
    if isinstance(table.columns[name].type, Double):
        # An array's values are all of one type, and an instant may be an `int`.
        return [None if row[name] is None else float(row[name]) for row in rows]
    return [row[name] for row in rows]


@lru_cache(maxsize=256)
def _arrays(table: Table, dialect: Dialect, names: Names) -> str:
    arrays = ", ".join(f"%s::{table.columns[name].type.compile(dialect)}[]" for name in names)
    return f"SELECT * FROM unnest({arrays})"  # noqa: S608 - names of ours


@lru_cache(maxsize=2_048)
def _tuples(columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"VALUES {', '.join([row] * rows)}"


def _listed(names: Names) -> str:
    return ", ".join(f'"{name}"' for name in names)
