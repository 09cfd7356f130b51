"""Bringing a database to the current schema, by Alembic.

A migration of PostgreSQL runs while processes of the version before still work: it only adds, gives what it adds a
default, and takes no lock for long. What is not needed any more goes with the release after.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

_LOCK = 0x617373_6973_74
"""The advisory lock that keeps two migrations apart, for every version of this code."""
_ALONE = ("SET LOCAL lock_timeout = '120s'", f"SELECT pg_advisory_xact_lock({_LOCK})", "SET LOCAL lock_timeout = '5s'")
"""The other migration is waited for; a table in use only shortly, since all who come after it would wait as well."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def newest() -> str | None:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(engine: Engine) -> str | None:
    """The revision that the database has; None before the first."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def outdated(engine: Engine) -> str | None:
    """In what way the schema is older than this code needs, or None.

    A revision that this code does not know comes from a newer version, whose migrations the older ones survive.
    """
    found, needed = current(engine), newest()
    if found is None:
        return "not there yet"
    if found == needed or not _known(found):
        return None
    return f"at revision {found}, not {needed}"


def _known(revision: str) -> bool:
    try:
        ScriptDirectory.from_config(_config()).get_revision(revision)
    except CommandError:
        return False
    return True


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Bring the database to the newest revision, all or nothing; says from which revision to which.

    One that a newer version has made stays as it is.
    """
    config = _config()
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            for statement in _ALONE:
                connection.execute(text(statement))
        before = _revision(connection)
        if before is not None and not _known(before):
            return before, before
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return before, _revision(connection)
