"""Bringing a database to the current schema, by Alembic.

A migration of PostgreSQL runs while processes of the version before still work: it only adds, gives what it adds a
default, and takes no lock for long. What is not needed any more is dropped by the release after.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

LOCK = 0x617373_6973_74
"""The advisory lock that keeps two migrations apart, for every version of this code."""
ALONE = ("SET LOCAL lock_timeout = '120s'", f"SELECT pg_advisory_xact_lock({LOCK})", "SET LOCAL lock_timeout = '5s'")
"""Waits long for another migration, and 5 s for a table in use: all statements that come later wait behind it."""
_HERE = Path(__file__).parent


def newest() -> str:
    """The revision that this code needs: that of the last file, whose name begins with it."""
    return max(path.name.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*.py"))


def current(engine: Engine) -> str | None:
    """The revision that the database has; None before the first."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def config() -> "Config":
    """What Alembic needs to know."""
    # Memory: a start at the current schema, which is nearly every one, does without Alembic's 12 MB.
    from alembic.config import Config  # noqa: PLC0415

    settings = Config()
    settings.set_main_option("script_location", str(_HERE))
    return settings


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
    return any((_HERE / "versions").glob(f"{revision}_*.py"))


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Bring the database to the newest revision, all or nothing; says from which revision to which.

    One that a newer version has made stays as it is.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            for statement in ALONE:
                connection.execute(text(statement))
        before = _revision(connection)
        if before == newest() or (before is not None and not _known(before)):
            return before, before
        from alembic import command  # noqa: PLC0415 - see `config`

        settings = config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
        return before, _revision(connection)
