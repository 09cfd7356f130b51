"""Many rows by one statement, on the hot path: prepared once for each number of rows, its values passed on as they are.

One row a call (`executemany`) lets go of the interpreter's lock for every row, and a writer that has to win it back
from a busy event loop each time makes its group wait. SQLAlchemy's own INSERT also looks at every value of every row,
which costs half as much again as SQLite's work on it; none of our columns needs that.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Table

_VALUES = 30_000
"""Below what SQLite (32,766) and PostgreSQL (65,535) take in one statement."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have a value for every column of `table`; none at all is fine."""
    names = tuple(column.name for column in table.columns)
    most = _VALUES // len(names)
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        values = tuple(chain.from_iterable(map(itemgetter(*names), some)))
        connection.exec_driver_sql(_statement(table, connection.dialect, len(some)), values)


@lru_cache(maxsize=2_048)
def _statement(table: Table, dialect: Dialect, rows: int) -> str:
    quote = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    row = f"({', '.join([mark] * len(table.columns))})"
    columns = ", ".join(quote(column.name) for column in table.columns)
    return f"INSERT INTO {quote(table.name)} ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - names of ours
