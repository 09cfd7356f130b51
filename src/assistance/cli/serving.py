"""`assistance serve` and `assistance migrate`."""

import os

import typer
import uvloop

from assistance.app import RefusedError, Role, serve
from assistance.cli.failure import FailedError
from assistance.cli.variables import database_url, read_variables
from assistance.outgoing import is_loopback
from assistance.settings import SettingsError, check_installed
from assistance.store import StoreRefusedError, migrate


def serve_until_signal(*, dev: bool, host: str, port: int, role: str) -> int:
    """Run the service until a signal; its exit code.

    Raises:
        FailedError: it does not start.
    """
    if dev and not is_loopback(host):
        raise FailedError(f"development mode listens on this machine only: --host {host} is not a loopback address")
    try:
        if dev:
            check_installed()
        return uvloop.run(serve(os.environ, dev=dev, host=host, port=port, role=Role(role)))
    except (RefusedError, SettingsError) as error:
        raise FailedError(str(error)) from None


def migrate_database() -> None:
    """Bring the database to the current schema.

    Raises:
        FailedError: it cannot be used as it is, or a running service has it.
    """
    try:
        before, after = migrate(database_url(read_variables()))
    except StoreRefusedError as error:
        raise FailedError(str(error)) from None
    same = f"the database has the current schema, {after}"
    typer.echo(same if before == after else f"the database went from {before or 'nothing'} to schema {after}")
