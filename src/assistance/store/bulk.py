"""Many rows by one statement, on the hot path: compiled once, its values passed on as they are.

SQLAlchemy's own way through a compiled INSERT looks at every value of every row, which costs half as much again as
SQLite's work on it. Columns whose values need no conversion (all of ours do not) may go this way.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Table


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have a value for every column of `table`; none at all is fine."""
    if rows:
        statement, values_of = _prepared(table, connection.dialect)
        connection.exec_driver_sql(statement, [values_of(row) for row in rows])


@cache
def _prepared(table: Table, dialect: Dialect) -> tuple[str, Any]:
    names = [column.name for column in table.columns]
    marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * len(names))
    columns = ", ".join(dialect.identifier_preparer.quote(name) for name in names)
    target = dialect.identifier_preparer.format_table(table)
    return f"INSERT INTO {target} ({columns}) VALUES ({marks})", itemgetter(*names)  # noqa: S608 - names of ours
