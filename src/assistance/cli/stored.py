"""The store itself, for commands that find no service running."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from assistance.cli.failure import FailedError
from assistance.cli.variables import database_url
from assistance.store import Store, StoreRefusedError, open_store
from assistance.store.sqlite import sqlite_path


@contextmanager
def stored(variables: Mapping[str, str], url: str, remark: str) -> Iterator[Store]:
    """The store of the settings, with a `remark` on what comes from it instead of from a service at `url`.

    Raises:
        FailedError: it cannot be used, or there is none here yet.
    """
    database = database_url(variables)
    try:
        if database.startswith("sqlite:") and not (path := sqlite_path(database)).exists():
            raise StoreRefusedError(f"there is no {path} here")  # noqa: TRY301 - told like any other refusal
        store = open_store(database)
    except StoreRefusedError as error:
        raise FailedError(f"no service answers at {url}, and {error}; --url says where the service is") from None
    typer.echo(f"no service answers at {url}: {remark}", err=True)
    try:
        yield store
    finally:
        store.close()
