"""The store itself, for commands that find no service running."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from assistance.cli.failure import FailedError
from assistance.cli.variables import database_url
from assistance.settings.development import DATABASE
from assistance.store import Store, StoreRefusedError, open_store
from assistance.store.engine.sqlite import sqlite_path


@contextmanager
def stored(variables: Mapping[str, str], url: str, remark: str) -> Iterator[Store]:
    """The store of the settings, with a `remark` on what comes from it instead of from a service at `url`.

    Raises:
        FailedError: it cannot be used, or there is none here yet.
    """
    database = database_url(variables)
    try:
        if database.startswith("sqlite:") and not (path := sqlite_path(database)).exists():
            raise StoreRefusedError(_absent(path))  # noqa: TRY301 - told like any other refusal
        store = open_store(database)
    except StoreRefusedError as error:
        raise FailedError(f"no service answers at {url}, and {error}; --url says where the service is") from None
    typer.echo(f"no service answers at {url}: {remark}", err=True)
    try:
        yield store
    finally:
        store.close()


def _absent(path: Path) -> str:
    # Not asked unbidden: what it says is not what production's would.
    other = f", only development mode's: ASSISTANCE_DATABASE_URL={DATABASE} asks it"
    return f"there is no {path} here{other if sqlite_path(DATABASE).exists() else ''}"
