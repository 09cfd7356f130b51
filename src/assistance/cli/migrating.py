"""`assistance migrate`."""

import typer

from assistance.cli.failure import FailedError
from assistance.cli.variables import database_url, read_variables
from assistance.store import StoreRefusedError, migrate


def migrate_database() -> None:
    """Bring the database to the current schema.

    Raises:
        FailedError: it cannot be used as it is, or a running service has it.
    """
    try:
        before, after = migrate(database_url(read_variables()))
    except StoreRefusedError as error:
        raise FailedError(str(error)) from None
    typer.echo(f"the database has the current schema, {after}" if before == after else _moved(before, after))


def _moved(before: str | None, after: str | None) -> str:
    return f"the database went from {before or 'nothing'} to schema {after}"
