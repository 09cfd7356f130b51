"""`assistance migrate`."""

import typer

from assistance.cli.failure import FailedError
from assistance.cli.variables import database_url, read_variables
from assistance.store import StoreRefusedError, open_store


def migrate_database() -> None:
    """Bring the database to the current schema.

    Raises:
        FailedError: it cannot be used as it is, or a running service has it.
    """
    try:
        open_store(database_url(read_variables())).close()
    except StoreRefusedError as error:
        raise FailedError(str(error)) from None
    typer.echo("the database has the current schema")
